//! The search for the route of a request. Knows no connection, and calls no route.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode;

use super::intake::Open;
use super::pattern::{Names, Pattern};
use super::reply::{Answered, Reply};
use super::request::Request;
use crate::protocol::http::{Head, Verb};

/// A route: it answers one method of one path.
pub(super) type Route<S> = Box<dyn Fn(&Request<'_, S>, Reply<'_>) -> Answered + Send + Sync>;

pub(super) struct Router<S> {
    /// Paths without parameters, sorted by length, so that only paths of the same length are
    /// compared.
    fixed: Vec<(Box<[u8]>, Methods<S>)>,
    /// For each length, the index of its first path in `fixed`.
    starts: Vec<usize>,
    /// The most specific pattern first.
    patterns: Vec<(Pattern, Methods<S>)>,
}

/// The routes of one path.
pub(super) struct Methods<S> {
    /// By [`Verb`], without [`Verb::Other`].
    by_verb: [Option<Entry<S>>; Verb::Other as usize],
    others: Vec<(Method, Entry<S>)>,
    any: Option<Entry<S>>,
    /// The maximum of bytes of a body, if this path has its own.
    pub(super) body_limit: Option<u64>,
}

/// A route and its router.
pub(super) struct Entry<S> {
    pub(super) run: Route<S>,
    /// Makes the consumer of a body, for a route that takes it as it arrives.
    pub(super) open: Option<Open<S>>,
    pub(super) names: Names,
    /// The router of the route.
    pub(super) scope: usize,
    /// The outermost router has the route, and no guard or mapper concerns it.
    pub(super) is_plain: bool,
}

/// The routes of a path, and the values of its parameters.
pub(super) type Found<'a, S> = (&'a Methods<S>, Vec<Cow<'a, str>>);

impl<S> Router<S> {
    pub(super) fn new() -> Router<S> {
        Router { fixed: Vec::new(), starts: Vec::new(), patterns: Vec::new() }
    }

    /// Adds a route to a pattern.
    pub(super) fn add(&mut self, method: Option<Method>, pattern: &Pattern, entry: Entry<S>) {
        let methods = self.methods_of(pattern);
        match method {
            None => methods.any = Some(entry),
            Some(method) => {
                let verb = Verb::of(method.as_str().as_bytes());
                match methods.by_verb.get_mut(verb as usize) {
                    Some(place) => *place = Some(entry),
                    None => methods.others.push((method, entry)),
                }
            }
        }
    }

    /// Returns the routes of a pattern.
    pub(super) fn methods_of(&mut self, pattern: &Pattern) -> &mut Methods<S> {
        match pattern.fixed() {
            Some(path) => self.methods_of_fixed(path.as_bytes()),
            None => {
                let at = match self.patterns.binary_search_by(|(known, _)| known.cmp(pattern)) {
                    Ok(at) => at,
                    Err(at) => {
                        self.patterns.insert(at, (pattern.clone(), Methods::default()));
                        at
                    }
                };
                &mut self.patterns[at].1
            }
        }
    }

    fn methods_of_fixed(&mut self, path: &[u8]) -> &mut Methods<S> {
        let known = self.fixed.iter().position(|(known, _)| **known == *path);
        let at = known.unwrap_or_else(|| {
            let at = self.fixed.partition_point(|(known, _)| known.len() <= path.len());
            self.fixed.insert(at, (path.into(), Methods::default()));
            let longest = self.fixed.last().map_or(0, |(path, _)| path.len());
            let start = |len| self.fixed.partition_point(|(path, _)| path.len() < len);
            self.starts = (0..longest + 2).map(start).collect();
            at
        });
        &mut self.fixed[at].1
    }

    /// Returns the routes of the most specific pattern that `path` matches.
    pub(super) fn find<'a>(&'a self, path: &'a [u8]) -> Option<Found<'a, S>> {
        if let Some(methods) = self.find_fixed(path) {
            return Some((methods, Vec::new()));
        }
        if path.contains(&b'%') {
            // An encoded slash is part of a segment and does not separate segments.
            let decoded: Cow<'_, [u8]> = percent_decode(path).into();
            let same_segments = slashes(&decoded) == slashes(path);
            if let Some(methods) = self.find_fixed(&decoded).filter(|_| same_segments) {
                return Some((methods, Vec::new()));
            }
        }
        self.patterns
            .iter()
            .find_map(|(pattern, methods)| pattern.matches(path).map(|values| (methods, values)))
    }

    /// Returns true if some path may answer the method, so that others can refuse it as their own.
    pub(super) fn knows(&self, head: &Head<'_>) -> bool {
        let fixed = self.fixed.iter().map(|(_, methods)| methods);
        let mut all = fixed.chain(self.patterns.iter().map(|(_, methods)| methods));
        match head.verb() {
            Verb::Trace => false,
            Verb::Other => all.any(|methods| methods.find_own(head.method_bytes()).is_some()),
            _ => true,
        }
    }

    /// Returns the routes of a pattern without parameters that is equal to `path`.
    #[inline]
    pub(super) fn find_fixed(&self, path: &[u8]) -> Option<&Methods<S>> {
        let [start, end] = *self.starts.get(path.len()..)?.first_chunk()?;
        let same_length = self.fixed.get(start..end)?;
        same_length.iter().find(|(known, _)| **known == *path).map(|(_, methods)| methods)
    }
}

fn slashes(path: &[u8]) -> usize {
    path.iter().filter(|byte| **byte == b'/').count()
}

impl<S> Methods<S> {
    #[inline(always)]
    pub(super) fn find(&self, head: &Head<'_>) -> Option<&Entry<S>> {
        if let Some(Some(entry)) = self.by_verb.get(head.verb() as usize) {
            return Some(entry);
        }
        self.find_other(head)
    }

    fn find_other(&self, head: &Head<'_>) -> Option<&Entry<S>> {
        let own = match head.verb() {
            Verb::Head => self.by_verb[Verb::Get as usize].as_ref(),
            Verb::Other => self.find_own(head.method_bytes()),
            // A reply to TRACE would repeat secret fields of the request, so no route answers it.
            Verb::Trace => return None,
            _ => None,
        };
        own.or(self.any.as_ref())
    }

    /// Returns the route of a method that has no [`Verb`].
    fn find_own(&self, method: &[u8]) -> Option<&Entry<S>> {
        let is_it = |name: &Method| name.as_str().as_bytes() == method;
        self.others.iter().find(|(name, _)| is_it(name)).map(|(_, entry)| entry)
    }

    /// Returns the value of the Allow field.
    pub(super) fn allowed(&self) -> String {
        let has = |verb: Verb| self.by_verb[verb as usize].is_some();
        let listed = |verb: &Verb| match verb {
            Verb::Options => true,
            Verb::Head => has(Verb::Head) || has(Verb::Get),
            verb => has(*verb),
        };
        let verbs = Verb::ALL.iter().filter(|verb| listed(verb)).map(|verb| verb.name());
        let others = self.others.iter().map(|(name, _)| name.as_str());
        verbs.chain(others).collect::<Vec<&str>>().join(", ")
    }
}

impl<S> Default for Methods<S> {
    fn default() -> Methods<S> {
        let by_verb = [const { None }; Verb::Other as usize];
        Methods { by_verb, others: Vec::new(), any: None, body_limit: None }
    }
}
