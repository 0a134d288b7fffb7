//! Bytes for another connection or a topic. Must not know connections, nor the protocol that packs
//! them.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

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
#[derive(Clone, Debug)]
pub struct Payload(Form);

#[derive(Clone, Debug)]
enum Form {
    Bytes(Box<[u8]>),
    /// One allocation for all shards.
    Shared(Arc<Shared>),
}

/// Bytes, and their packed form: shorter bytes that mean the same to receivers that have agreed on
/// them.
#[derive(Debug)]
struct Shared {
    bytes: Box<[u8]>,
    pack: Option<Pack>,
    /// Made for the first receiver of it; `None` if there is no shorter form.
    packed: OnceLock<Option<Box<[u8]>>>,
}

/// Returns the packed form of bytes; `None` if it would not be shorter.
pub(crate) type Pack = fn(&[u8]) -> Option<Box<[u8]>>;

impl Payload {
    /// Bytes with a packed form, which is made once, and only if a receiver takes it.
    #[cfg(feature = "deflate")]
    pub(crate) fn packable(bytes: Box<[u8]>, pack: Pack) -> Payload {
        let shared = Shared { bytes, pack: Some(pack), packed: OnceLock::new() };
        Payload(Form::Shared(Arc::new(shared)))
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Form::Bytes(bytes) => bytes,
            Form::Shared(shared) => &shared.bytes,
        }
    }

    /// Returns the packed form, or the bytes if there is none.
    pub(crate) fn packed(&self) -> &[u8] {
        match &self.0 {
            Form::Bytes(bytes) => bytes,
            Form::Shared(shared) => shared.packed().unwrap_or(&shared.bytes),
        }
    }

    pub(crate) fn into_bytes(self) -> Box<[u8]> {
        match self.0 {
            Form::Bytes(bytes) => bytes,
            Form::Shared(shared) => match Arc::try_unwrap(shared) {
                Ok(shared) => shared.bytes,
                Err(shared) => shared.bytes.clone(),
            },
        }
    }

    /// Returns the same payload, whose clones share its bytes.
    pub(crate) fn shared(self) -> Payload {
        match self.0 {
            Form::Bytes(bytes) => {
                let shared = Shared { bytes, pack: None, packed: OnceLock::new() };
                Payload(Form::Shared(Arc::new(shared)))
            }
            Form::Shared(_) => self,
        }
    }
}

impl Shared {
    /// Returns the packed form. Another shard that asks at the same time waits for it, as long as
    /// it would take to make a second one.
    fn packed(&self) -> Option<&[u8]> {
        let pack = self.pack?;
        self.packed.get_or_init(|| pack(&self.bytes)).as_deref()
    }
}

impl Default for Payload {
    fn default() -> Payload {
        Payload(Form::Bytes(Box::default()))
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Payload) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Payload {}

impl Hash for Payload {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl From<Box<[u8]>> for Payload {
    fn from(bytes: Box<[u8]>) -> Payload {
        Payload(Form::Bytes(bytes))
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Payload {
        bytes.into_boxed_slice().into()
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Payload {
        text.into_bytes().into()
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Payload {
        Box::<[u8]>::from(bytes).into()
    }
}

impl From<&mut [u8]> for Payload {
    fn from(bytes: &mut [u8]) -> Payload {
        (&*bytes).into()
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
        Payload(Form::Bytes(Box::new(bytes)))
    }
}

impl<const N: usize> From<&[u8; N]> for Payload {
    fn from(bytes: &[u8; N]) -> Payload {
        bytes.as_slice().into()
    }
}
