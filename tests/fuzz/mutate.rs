//! A small generator of random numbers, and what it does to bytes.

/// xorshift64*, which is good enough to break things with.
#[derive(Debug, Clone)]
pub struct Random(u64);

/// Texts that mean something to somebody: line ends, comments, quotes, templates, limits, protocols.
const WORDS: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"\n    server evil 127.0.0.1:1\n",
    b"\\n",
    b"\\u000a",
    b"#",
    b";",
    b"\"",
    b"'",
    b"\\",
    b"\0",
    b"\x1b[31m",
    b"\xff\xfe",
    b"\xe2\x80\xa8",
    b" ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[",
    b"{{",
    b"}}",
    b"{{range",
    b"{{end}}",
    b"{{define \"a\"}}",
    b"{{template \"a\"}}",
    b"=",
    b",",
    b":",
    b"0",
    b"-1",
    b"1e99",
    b"65536",
    b"4294967296",
    b"18446744073709551616",
    b"99999999999999999999999999999999",
    b"null",
    b"true",
    b"..",
    b"/",
    b"%",
    b"$()",
    b"`id`",
    b"HTTP/1.1 200 OK\r\n",
    b"Content-Length: 99999999999\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n",
    b"X-Consul-Index: 0\r\n",
    b"*2147483647\r\n",
    b"$2147483647\r\n",
    b"$-1\r\n",
    b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
    b"\xfb",
    b"\xfc\xff\xff",
    b"\xff\xff\xff\x00",
    b"\x00\x00\x00\x00",
    b"\x01\x00\x00\x02\xfe",
];

impl Random {
    /// The numbers of one case.
    pub fn of(seed: u64, case: u64) -> Random {
        let mut random = Random(seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap().max(1);
        usize::try_from(self.next() % end).unwrap()
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// One of the inputs, changed in a few places; sometimes left as it is.
    pub fn mutated(&mut self, inputs: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.pick(inputs).clone();
        for _ in 0..self.below(6) {
            self.change(&mut bytes, inputs);
        }
        bytes
    }

    /// One change.
    pub fn change(&mut self, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        let at = self.below(bytes.len() + 1);
        let end = (at + 1 + self.below(16)).min(bytes.len());
        match self.below(10) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.next().to_le_bytes()[0],
            2 => drop(bytes.splice(at..at, self.pick(WORDS).to_vec())),
            3 => drop(bytes.splice(at..end.max(at), self.pick(WORDS).to_vec())),
            4 => drop(bytes.drain(at..end.max(at))),
            5 => bytes.truncate(at),
            6 => {
                let part = bytes[at..end.max(at)].to_vec();
                bytes.splice(at..at, part);
            }
            7 => {
                let other = self.pick(others);
                let from = self.below(other.len() + 1);
                let to = (from + self.below(200)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            8 => {
                let count = 1 << self.below(14);
                let byte = self.next().to_le_bytes()[0];
                bytes.splice(at..at, std::iter::repeat_n(byte, count));
            }
            _ => {
                let word = self.pick(WORDS).to_vec();
                let times = 1 + self.below(64);
                bytes.splice(at..at, word.repeat(times));
            }
        }
    }
}
