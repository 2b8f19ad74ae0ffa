//! The settings of confd, and one place where they are said: the flags, or confd.toml.

use std::collections::BTreeMap;
use std::fmt;

/// What a setting looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Shape {
    /// One value; the last one wins.
    Value,
    /// True, or false.
    Switch,
    /// Several values, which a flag says one by one.
    List,
}

/// A setting: its flag, its key in confd.toml if it has one, and what it looks like.
pub(in crate::cli) struct Setting {
    pub(in crate::cli) flag: &'static str,
    pub(super) key: Option<&'static str>,
    pub(super) shape: Shape,
}

const fn value(flag: &'static str, key: &'static str) -> Setting {
    Setting {
        flag,
        key: Some(key),
        shape: Shape::Value,
    }
}

const fn switch(flag: &'static str, key: &'static str) -> Setting {
    Setting {
        flag,
        key: Some(key),
        shape: Shape::Switch,
    }
}

const fn list(flag: &'static str, key: &'static str) -> Setting {
    Setting {
        flag,
        key: Some(key),
        shape: Shape::List,
    }
}

const fn flag_only(flag: &'static str, shape: Shape) -> Setting {
    Setting {
        flag,
        key: None,
        shape,
    }
}

/// Every setting of confd v0.16, and those of ours: `allow-empty`, `log-format`, `metrics` and `listen`.
pub(in crate::cli) const SETTINGS: &[Setting] = &[
    value("backend", "backend"),
    value("confdir", "confdir"),
    value("interval", "interval"),
    list("node", "nodes"),
    list("file", "file"),
    switch("noop", "noop"),
    value("prefix", "prefix"),
    value("scheme", "scheme"),
    switch("sync-only", "sync-only"),
    switch("watch", "watch"),
    value("log-level", "log-level"),
    value("auth-token", "auth_token"),
    switch("allow-empty", "allow-empty"),
    value("log-format", "log-format"),
    value("metrics", "metrics"),
    value("listen", "listen"),
    flag_only("onetime", Shape::Switch),
    flag_only("keep-stage-file", Shape::Switch),
    flag_only("config-file", Shape::Value),
    // Of the consul backend.
    value("client-ca-keys", "client_cakeys"),
    value("client-cert", "client_cert"),
    value("client-key", "client_key"),
    switch("basic-auth", "basic_auth"),
    value("username", "username"),
    value("password", "password"),
    value("srv-domain", "srv_domain"),
    value("srv-record", "srv_record"),
    value("secret-keyring", "secret_keyring"),
    value("filter", "filter"),
    // What only other backends have.
    value("auth-type", "auth_type"),
    value("app-id", "app_id"),
    value("user-id", "user_id"),
    value("role-id", "role_id"),
    value("secret-id", "secret_id"),
    value("path", "path"),
    value("table", "table"),
    value("separator", "separator"),
    switch("client-insecure", "client_insecure"),
];

/// What was said in one place.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Layer(BTreeMap<&'static str, Said>);

/// What was said of one setting.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// Where, for messages: `-watch`, or `confd.toml:3: watch`.
    pub(super) origin: String,
    /// The values, empty ones left out: as in confd, they are as good as none.
    pub(super) values: Vec<String>,
}

impl Layer {
    /// Takes one more value of a setting.
    pub(super) fn say(&mut self, setting: &Setting, origin: String, value: String) {
        let said = self.0.entry(setting.flag).or_insert_with(|| Said {
            origin,
            values: Vec::new(),
        });
        if setting.shape != Shape::List {
            said.values.clear();
        }
        if !value.trim().is_empty() {
            said.values.push(value);
        }
    }

    /// What was said of the setting, if it is not nothing.
    pub(super) fn get(&self, flag: &str) -> Option<&Said> {
        self.0.get(flag).filter(|said| !said.values.is_empty())
    }

    /// The setting's value.
    pub(super) fn text(&self, flag: &str) -> Option<&str> {
        self.get(flag)?.values.last().map(String::as_str)
    }
}

/// Not the values: a token or a password may be among them.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
