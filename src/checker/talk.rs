//! A conversation with a server, as far as it is only words: what to say, and what is made of what
//! is heard. It does no I/O and reads no clock; whoever holds it, a `Call`, has the connection.

use std::fmt;

use crate::checker::failure::Failure;
use crate::tls;

/// One conversation, to be held on one connection, or on one after the other.
pub trait Talk: fmt::Debug + Send {
    /// What is found out.
    type Facts: fmt::Debug + Clone + Send;

    /// Bytes that a server may say in one conversation.
    const LIMIT: usize;
    /// Whether the server has the first word, so that `begin` has none. From then on each waits for
    /// the other.
    const IS_GREETED: bool;
    /// Whether a connection that is encrypted is so from its first byte. Otherwise the conversation
    /// asks for it.
    const TLS_FIRST: bool;
    /// The last word on a connection that is not used any more; may be empty.
    const GOODBYE: &'static [u8];

    /// What encrypts the connection, if anything does.
    fn tls(&self) -> Option<&tls::Client>;

    /// Begins, or begins anew, on a new connection: the first words, none where the server has
    /// them.
    ///
    /// # Errors
    /// When there are no words for it.
    fn begin(&mut self) -> Result<Vec<u8>, Failure>;

    /// Takes what it understands off the front of what was heard so far.
    ///
    /// # Errors
    /// How the conversation failed.
    fn hear(&mut self, heard: &mut Vec<u8>) -> Result<Step<Self::Facts>, Failure>;
}

/// How a conversation goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<F> {
    /// More has to be heard first.
    Listen,
    /// This is to be said.
    Say(Vec<u8>),
    /// `first` is to be said, then the connection is encrypted, and then goes `then`.
    Secure {
        /// The last plain words.
        first: Vec<u8>,
        /// The first encrypted ones.
        then: Vec<u8>,
    },
    /// It has to begin anew, on another connection.
    Anew,
    /// It is over, and the connection is still good.
    Done(F),
}
