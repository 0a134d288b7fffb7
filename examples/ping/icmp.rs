//! ICMP echo messages as bytes (RFC 792, RFC 4443). Must not know sockets or clocks.

/// The version of ICMP; each has its own message types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V4,
    V6,
}

/// Identifies the requests of this process: other programs on the host use ICMP, too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Echo {
    pub(crate) version: Version,
    pub(crate) id: u16,
    /// Ids are short and are reused; the token is sent as data and returned.
    pub(crate) token: u64,
}

/// A reply to a request of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) sequence: u16,
    /// The length of the ICMP message in bytes.
    pub(crate) len: usize,
    /// The remaining hop count; a raw ICMPv6 socket does not report it.
    pub(crate) ttl: Option<u8>,
}

/// Bytes of data in a request, the traditional size of `ping`.
pub(crate) const DATA: usize = 56;
const HEADER: usize = 8;

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

    /// Parses a packet from a raw socket. Returns `None` unless it is a complete reply to one of
    /// the requests.
    pub(crate) fn answer(&self, received: &[u8]) -> Option<Answer> {
        let (icmp, ttl) = match self.version {
            Version::V4 => without_ip_header(received)?,
            Version::V6 => (received, None),
        };
        let kind = match self.version {
            Version::V4 => 0,
            Version::V6 => 129,
        };
        let sequence = icmp.get(6..HEADER)?;
        let sequence = u16::from_be_bytes([sequence[0], sequence[1]]);
        let mut expected = self.packet(kind, sequence);
        if self.version == Version::V6 {
            // Checked by the kernel.
            expected[2..4].copy_from_slice(&icmp[2..4]);
        }
        // Every byte of a reply is known, including the checksum.
        (icmp == expected).then_some(Answer { sequence, len: icmp.len(), ttl })
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
