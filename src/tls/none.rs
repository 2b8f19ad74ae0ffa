//! Stands in for TLS in a build without it: there is no client, and so no connection of one.

use std::io::{self, Read, Write};
use std::marker::PhantomData;

use super::{NOT_THERE, Settings};
use crate::endpoint::Host;

/// Nobody has one.
#[derive(Debug, Clone)]
pub enum Client {}

/// Nobody has one.
#[derive(Debug)]
pub struct Stream<S>(Client, PhantomData<S>);

impl Client {
    /// Never gives one.
    ///
    /// # Errors
    /// Always.
    pub fn new(_: &Settings) -> Result<Client, String> {
        Err(NOT_THERE.to_owned())
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn wrap<S: Read + Write>(&self, _: &Host, _: S) -> io::Result<Stream<S>> {
        match *self {}
    }
}

impl<S: Read + Write> Stream<S> {
    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn handshake(&mut self) -> io::Result<()> {
        match self.0 {}
    }

    /// Cannot be called.
    pub fn socket(&mut self) -> &mut S {
        match self.0 {}
    }

    /// Cannot be called.
    pub fn get_ref(&self) -> &S {
        match self.0 {}
    }

    /// Cannot be called.
    pub fn wants_write(&self) -> bool {
        match self.0 {}
    }
}

impl<S: Read + Write> Read for Stream<S> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }
}

impl<S: Read + Write> Write for Stream<S> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}
