//! Bytes for another connection or a topic. Must not know connections.

use std::borrow::Cow;

/// Bytes for another connection or a topic.
///
/// Methods that send take `impl Into<Payload>`: text and bytes, borrowed or owned. Owned bytes are
/// not copied.
///
/// ```
/// use socketserver::Payload;
///
/// assert_eq!(Payload::from("text").as_bytes(), b"text");
/// assert_eq!(Payload::from(format!("{} items", 3)).as_bytes(), b"3 items");
/// assert_eq!(Payload::from(*b"array").as_bytes(), b"array");
/// assert_eq!(Payload::from(&b"slice"[..]).as_bytes(), b"slice");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Payload(Box<[u8]>);

impl Payload {
    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_bytes(self) -> Box<[u8]> {
        self.0
    }
}

impl From<Box<[u8]>> for Payload {
    fn from(bytes: Box<[u8]>) -> Payload {
        Payload(bytes)
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Payload {
        Payload(bytes.into())
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Payload {
        text.into_bytes().into()
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Payload {
        Payload(bytes.into())
    }
}

impl From<&mut [u8]> for Payload {
    fn from(bytes: &mut [u8]) -> Payload {
        Payload((&*bytes).into())
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Payload {
        text.as_bytes().into()
    }
}

impl From<&String> for Payload {
    fn from(text: &String) -> Payload {
        text.as_bytes().into()
    }
}

impl From<&Vec<u8>> for Payload {
    fn from(bytes: &Vec<u8>) -> Payload {
        bytes.as_slice().into()
    }
}

impl From<Cow<'_, str>> for Payload {
    fn from(text: Cow<'_, str>) -> Payload {
        text.into_owned().into()
    }
}

impl<const N: usize> From<[u8; N]> for Payload {
    fn from(bytes: [u8; N]) -> Payload {
        Payload(Box::new(bytes))
    }
}

impl<const N: usize> From<&[u8; N]> for Payload {
    fn from(bytes: &[u8; N]) -> Payload {
        bytes.as_slice().into()
    }
}
