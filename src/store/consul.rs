//! Keys in Consul's KV store, over ureq.
