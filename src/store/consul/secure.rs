//! ureq's connection over TLS, over another one.

use std::fmt;
use std::io::{Read as _, Write as _};

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use crate::endpoint::Endpoint;
use crate::tls::{Client, Stream};

/// The connection, after its handshake.
pub(super) struct Secure {
    stream: Stream<TransportAdapter>,
    buffers: LazyBuffers,
}

impl Secure {
    /// Shakes hands over `plain`, which leads to `endpoint`, within `timeout`.
    ///
    /// # Errors
    /// Those of the connection, and of the handshake.
    pub(super) fn open(
        client: &Client,
        endpoint: &Endpoint,
        plain: Box<dyn Transport>,
        details: &ConnectionDetails<'_>,
        timeout: NextTimeout,
    ) -> Result<Secure, ureq::Error> {
        let mut plain = TransportAdapter::new(plain, details.current_time.clone());
        plain.set_timeout(timeout);
        let mut stream = client.wrap(&endpoint.host, plain)?;
        stream.handshake()?;
        let (input, output) = (
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Ok(Secure {
            stream,
            buffers: LazyBuffers::new(input, output),
        })
    }
}

impl Transport for Secure {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.socket().set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream.write_all(output)?;
        Ok(self.stream.flush()?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.socket().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// An idle connection has nothing to read, below TLS either.
    fn is_open(&mut self) -> bool {
        self.stream.socket().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secure")
    }
}
