//! ICMP echo messages as bytes (RFC 792, RFC 4443). Must not know sockets or clocks.

use super::errors::{IcmpError, Version};

/// The socket; each kind receives other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Receives all messages of ICMP, for IPv4 with the header of IP.
    Raw,
    /// Needs no privilege. The system chooses the id, checks the sums and passes on only replies.
    Datagram,
}

/// Identifies the requests of this process: other programs on the host use ICMP, too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Echo {
    pub(crate) version: Version,
    pub(crate) kind: Kind,
    pub(crate) id: u16,
    /// Ids are short and are reused; the token is sent as data and returned.
    pub(crate) token: u64,
}

/// A message about a request of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Reply(Answer),
    /// The request with this number has failed.
    Error(u16, IcmpError),
}

/// A reply to a request of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) sequence: u16,
    /// The length of the ICMP message in bytes.
    pub(crate) len: usize,
    /// The remaining hop count, which only a raw socket for IPv4 reports.
    pub(crate) ttl: Option<u8>,
}

impl Answer {
    /// Returns true if data of the request are missing.
    pub(crate) fn is_truncated(&self) -> bool {
        self.len < HEADER + DATA
    }
}

/// Bytes of data in a request, the traditional size of `ping`.
pub(crate) const DATA: usize = 56;
const HEADER: usize = 8;
/// The shortest message with a whole token.
const TOKEN_END: usize = HEADER + 8;

impl Echo {
    /// Returns the request with this number.
    pub(crate) fn request(&self, sequence: u16) -> Vec<u8> {
        let kind = match self.version {
            Version::V4 => 8,
            Version::V6 => 128,
        };
        self.packet(kind, sequence)
    }

    fn packet(&self, kind: u8, sequence: u16) -> Vec<u8> {
        let mut packet = vec![kind, 0, 0, 0];
        packet.extend(self.id.to_be_bytes());
        packet.extend(sequence.to_be_bytes());
        packet.extend(self.token.to_be_bytes());
        packet.resize(HEADER + DATA, 0x5a);
        // For ICMPv6 the kernel computes and checks it (RFC 3542, section 3.1).
        if self.version == Version::V4 {
            let sum = checksum(&packet).to_be_bytes();
            packet[2..4].copy_from_slice(&sum);
        }
        packet
    }

    /// Parses a packet from the socket. Returns `None` unless it is a reply to one of the requests,
    /// or an error about one.
    pub(crate) fn message(&self, received: &[u8]) -> Option<Message> {
        let is_v4 = self.version == Version::V4;
        let (icmp, ttl) = match self.kind {
            Kind::Raw if is_v4 => without_ip_header(received)?,
            // Some systems have the header here as well.
            Kind::Datagram if is_v4 && received.first()? >> 4 == 4 => without_ip_header(received)?,
            _ => (received, None),
        };
        // The sum of ICMPv6 is checked by the kernel.
        if icmp.len() < HEADER || is_v4 && checksum(icmp) != 0 {
            return None;
        }
        match IcmpError::new(self.version, icmp[0], icmp[1]) {
            None => self.reply(icmp, ttl).map(Message::Reply),
            Some(error) => Some(Message::Error(self.failed(&icmp[HEADER..])?, error)),
        }
    }

    fn reply(&self, icmp: &[u8], ttl: Option<u8>) -> Option<Answer> {
        let kind = match self.version {
            Version::V4 => 0,
            Version::V6 => 129,
        };
        let sequence = u16::from_be_bytes([icmp[6], icmp[7]]);
        let mut expected = self.packet(kind, sequence);
        // The sum has been checked.
        expected[2..4].copy_from_slice(&icmp[2..4]);
        if self.kind == Kind::Datagram {
            expected[4..6].copy_from_slice(&icmp[4..6]);
        }
        let is_reply = icmp.len() >= TOKEN_END && expected.starts_with(icmp);
        is_reply.then_some(Answer { sequence, len: icmp.len(), ttl })
    }

    /// Returns the number of the request that an error is about. The error contains the start of
    /// the packet, for IPv4 perhaps only the header of the request.
    fn failed(&self, packet: &[u8]) -> Option<u16> {
        let (request, len_min) = match self.version {
            Version::V4 => (without_ip_header(packet).filter(|_| packet[9] == 1)?.0, HEADER),
            Version::V6 => (packet.get(40..).filter(|_| packet[6] == 58)?, TOKEN_END),
        };
        let sequence = request.get(6..HEADER)?;
        let sequence = u16::from_be_bytes([sequence[0], sequence[1]]);
        let mut expected = self.request(sequence);
        if self.version == Version::V6 {
            // Inserted by the kernel. The sum of ICMPv4 depends on the token.
            expected[2..4].copy_from_slice(&request[2..4]);
        }
        // Padding and extensions may follow (RFC 4884).
        let len = request.len().min(expected.len());
        (len >= len_min && request[..len] == expected[..len]).then_some(sequence)
    }
}

/// Returns the payload after the IPv4 header (RFC 791, section 3.1), which raw sockets receive, and
/// the time to live.
fn without_ip_header(packet: &[u8]) -> Option<(&[u8], Option<u8>)> {
    let first = *packet.first()?;
    if first >> 4 != 4 {
        return None;
    }
    let len = usize::from(first & 15) * 4;
    let ttl = *packet.get(8)?;
    if len < 20 {
        return None;
    }
    packet.get(len..).map(|icmp| (icmp, Some(ttl)))
}

/// The one's complement of the one's complement sum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
