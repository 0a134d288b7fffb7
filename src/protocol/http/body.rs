//! Request bodies, by length or in chunks, decoded piece by piece as they arrive.

use super::chunk;
use super::framing::Framing;
use super::head::Head;
use super::limits::HttpLimits;
use super::message::Message;
use super::refusal::{Parsed, Refusal};
use crate::handler::framed::Step;

/// The position of the input within a body.
#[derive(Debug)]
pub(super) enum Body {
    /// This many bytes are still to come.
    Length(u64),
    /// Before the size of a chunk; `before` counts the bytes of the body up to here.
    ChunkSize { before: u64 },
    /// Within a chunk, with `left` bytes to come.
    ChunkData { left: u64, before: u64 },
    /// Before the line end after a chunk.
    ChunkEnd { before: u64 },
    /// After the last chunk; `before` counts the bytes of trailers up to here.
    Trailers { before: usize },
}

impl Body {
    /// Returns the body that follows a head, if there is one.
    pub(super) fn of(head: &Head<'_>, limits: &HttpLimits) -> Parsed<Option<Body>> {
        match head.framing() {
            Framing::None => Ok(None),
            Framing::Length(length) if length > limits.body => Err(too_long()),
            Framing::Length(length) => Ok(Some(Body::Length(length))),
            Framing::Chunked => Ok(Some(Body::ChunkSize { before: 0 })),
        }
    }

    pub(super) fn decode<'a>(
        &mut self,
        input: &'a [u8],
        limits: &HttpLimits,
    ) -> Parsed<Step<Message<'a>>> {
        match *self {
            Body::Length(left) => {
                let bytes = take(input, left);
                let left = left - bytes.len() as u64;
                *self = Body::Length(left);
                let n = bytes.len();
                Ok(Step::Message(Message::Body { bytes, is_last: left == 0 }, n))
            }
            Body::ChunkSize { before } => {
                let Some((size, n)) = chunk::size(input)? else {
                    return Ok(Step::NeedMore);
                };
                if before.checked_add(size).is_none_or(|body| body > limits.body) {
                    return Err(too_long());
                }
                *self = match size {
                    0 => Body::Trailers { before: 0 },
                    left => Body::ChunkData { left, before: before + left },
                };
                Ok(Step::Skip(n))
            }
            Body::ChunkData { left, before } => {
                let bytes = take(input, left);
                *self = match left - bytes.len() as u64 {
                    0 => Body::ChunkEnd { before },
                    left => Body::ChunkData { left, before },
                };
                let n = bytes.len();
                Ok(Step::Message(Message::Body { bytes, is_last: false }, n))
            }
            Body::ChunkEnd { before } => match input {
                [b'\r', b'\n', ..] => {
                    *self = Body::ChunkSize { before };
                    Ok(Step::Skip(2))
                }
                [b'\r'] => Ok(Step::NeedMore),
                _ => Err(&Refusal { code: 400, why: "a chunk does not end at its size" }),
            },
            Body::Trailers { before } => {
                let room = limits.trailers.saturating_sub(before);
                let Some((line, n)) = chunk::trailer(input, room)? else {
                    return Ok(Step::NeedMore);
                };
                if line.is_empty() {
                    return Ok(Step::Message(Message::Body { bytes: &[], is_last: true }, n));
                }
                *self = Body::Trailers { before: before + n };
                Ok(Step::Skip(n))
            }
        }
    }
}

/// Returns the part of `input` that belongs to the body.
fn take(input: &[u8], left: u64) -> &[u8] {
    match usize::try_from(left) {
        Ok(left) => input.get(..left).unwrap_or(input),
        Err(_) => input,
    }
}

pub(super) fn too_long() -> &'static Refusal {
    &Refusal { code: 413, why: "the body is too long" }
}
