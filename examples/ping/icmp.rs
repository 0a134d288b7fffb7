//! ICMP echo as bytes (RFC 792, RFC 4443). Knows no socket and no clock.

/// Which ICMP is spoken; each has numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V4,
    V6,
}

/// What makes our requests ours: other programs on this host see and send ICMP too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Echo {
    pub(crate) version: Version,
    pub(crate) id: u16,
    /// Ids are short and get used again; this goes along as data and comes back.
    pub(crate) token: u64,
}

/// An answer to one of our requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) sequence: u16,
    /// Bytes of ICMP.
    pub(crate) len: usize,
    /// Hops it had left; a raw socket of ICMPv6 does not tell.
    pub(crate) ttl: Option<u8>,
}

/// Bytes of data in a request, as many as `ping` has always sent.
pub(crate) const DATA: usize = 56;
const HEADER: usize = 8;

impl Echo {
    /// The request with this number.
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
        // Of ICMPv6 the kernel computes it, and checks it (RFC 3542, section 3.1).
        if self.version == Version::V4 {
            let sum = checksum(&packet).to_be_bytes();
            packet[2..4].copy_from_slice(&sum);
        }
        packet
    }

    /// What a raw socket received, if it is a whole answer to one of our requests.
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
        // All of it is known, the checksum too.
        (icmp == expected).then_some(Answer { sequence, len: icmp.len(), ttl })
    }
}

/// What follows the header of IPv4 (RFC 791, section 3.1), which raw sockets get to see, and the
/// time to live in it.
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

/// The ones' complement of the ones' complement sum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
