//! The bytes of the MySQL protocol that a misbehaving server needs.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// LONG_PASSWORD, FOUND_ROWS, LONG_FLAG, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS,
/// SECURE_CONNECTION, PLUGIN_AUTH.
const CAPABILITIES: u32 = 0x0008_a20f;
const PLUGIN: &[u8] = b"mysql_native_password\0";
const SCRAMBLE: &[u8; 20] = b"abcdefghijklmnopqrst";

/// A packet: three bytes of length, a sequence number, the payload.
pub fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&length[..3], &[sequence], payload].concat()
}

/// The first packet of a server.
pub fn greeting() -> Vec<u8> {
    let [low_1, low_2, high_1, high_2] = CAPABILITIES.to_le_bytes();
    let mut payload = b"\x0a5.7.44-misbehaving\0\x07\0\0\0".to_vec();
    payload.extend_from_slice(&SCRAMBLE[..8]);
    payload.push(0);
    // The character set is utf8, the status autocommit, the scramble's length 21.
    payload.extend_from_slice(&[low_1, low_2, 33, 2, 0, high_1, high_2, 21]);
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(&SCRAMBLE[8..]);
    payload.push(0);
    payload.extend_from_slice(PLUGIN);
    packet(0, &payload)
}

/// A greeting whose version string has no end.
pub fn endless_greeting() -> impl Iterator<Item = u8> {
    b"\xf0\xff\x0f\x00\x0a5.7."
        .iter()
        .copied()
        .chain(std::iter::repeat(b'9'))
}

/// Greets and reads the login.
pub fn greet(mut stream: &TcpStream) -> io::Result<()> {
    stream.write_all(&greeting())?;
    read_packet(stream)?;
    Ok(())
}

/// The payload of the next packet.
pub fn read_packet(mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload)?;
    Ok(payload)
}

/// "OK", in autocommit mode.
pub fn ok(sequence: u8) -> Vec<u8> {
    packet(sequence, &[0, 0, 0, 2, 0, 0, 0])
}

/// An error of the general kind.
pub fn error(sequence: u8, code: u16, message: &str) -> Vec<u8> {
    packet(
        sequence,
        &[
            &[0xff],
            &code.to_le_bytes()[..],
            b"#HY000",
            message.as_bytes(),
        ]
        .concat(),
    )
}

/// "There are two columns", and the first of them begins.
pub fn half_a_result() -> Vec<u8> {
    [packet(1, &[2]), vec![60, 0, 0, 2, 3, b'd', b'e', b'f']].concat()
}
