//! Which route answers a request. Knows nothing of connections.

use std::borrow::Cow;

use http::{HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode;

use super::reply::{Answered, Reply};
use super::request::{Params, Request};
use crate::protocol::http::{Head, Verb};

/// What answers one method of one path.
pub(super) type Route =
    Box<dyn for<'q, 'r> Fn(&Request<'q>, Reply<'r>) -> Answered<'r> + Send + Sync>;

#[derive(Default)]
pub(super) struct Router {
    /// Sorted by length, so that only paths of the right length are compared.
    fixed: Vec<(Box<[u8]>, Methods)>,
    /// Where the paths of each length begin among them.
    starts: Vec<usize>,
    /// In the order they were added.
    patterns: Vec<(Pattern, Methods)>,
}

#[derive(Default)]
struct Methods {
    /// By [`Verb`], but for [`Verb::Other`].
    by_verb: [Option<Route>; Verb::Other as usize],
    others: Vec<(Method, Route)>,
    any: Option<Route>,
}

/// A path with parameters.
#[derive(PartialEq, Eq)]
struct Pattern(Vec<Segment>);

#[derive(PartialEq, Eq)]
enum Segment {
    Fixed(Box<str>),
    Param(Box<str>),
}

impl Router {
    /// Adds a route; a later one for the same method and path replaces it.
    pub(super) fn add(&mut self, method: Option<Method>, path: &str, route: Route) {
        let methods = self.methods_of(path);
        match method {
            None => methods.any = Some(route),
            Some(method) => {
                let verb = Verb::of(method.as_str().as_bytes());
                match methods.by_verb.get_mut(verb as usize) {
                    Some(place) => *place = Some(route),
                    None => {
                        methods.others.retain(|(name, _)| *name != method);
                        methods.others.push((method, route));
                    }
                }
            }
        }
    }

    fn methods_of(&mut self, path: &str) -> &mut Methods {
        let pattern = Pattern::parse(path);
        if pattern.0.iter().any(|segment| matches!(segment, Segment::Param(_))) {
            let known = self.patterns.iter().position(|(known, _)| *known == pattern);
            let at = known.unwrap_or(self.patterns.len());
            if known.is_none() {
                self.patterns.push((pattern, Methods::default()));
            }
            return &mut self.patterns[at].1;
        }
        let known = self.fixed.iter().position(|(known, _)| **known == *path.as_bytes());
        let at = known.unwrap_or_else(|| {
            let at = self.fixed.partition_point(|(known, _)| known.len() <= path.len());
            self.fixed.insert(at, (path.as_bytes().into(), Methods::default()));
            let longest = self.fixed.last().map_or(0, |(path, _)| path.len());
            let start = |len| self.fixed.partition_point(|(path, _)| path.len() < len);
            self.starts = (0..longest + 2).map(start).collect();
            at
        });
        &mut self.fixed[at].1
    }

    /// Answers `request`, with a route or with what HTTP says where there is none.
    #[inline]
    pub(super) fn answer<'q, 'r>(
        &'q self,
        request: &mut Request<'q>,
        reply: Reply<'r>,
    ) -> Answered<'r> {
        let path = request.head().path_bytes();
        if path == b"*" {
            return reply.status(StatusCode::NO_CONTENT).empty();
        }
        let methods = match self.find_fixed(path) {
            Some(methods) => methods,
            None => match self.find_other(path) {
                Some((methods, params)) => {
                    request.params = params;
                    methods
                }
                None => return reply.status(StatusCode::NOT_FOUND).text("404 Not Found\n"),
            },
        };
        if let Some(route) = methods.find(request.head()) {
            return route(request, reply);
        }
        let reply = match HeaderValue::try_from(methods.allowed()) {
            Ok(allowed) => reply.header(header::ALLOW, allowed),
            Err(_) => reply,
        };
        if request.head().verb() == Verb::Options {
            return reply.status(StatusCode::NO_CONTENT).empty();
        }
        reply.status(StatusCode::METHOD_NOT_ALLOWED).text("405 Method Not Allowed\n")
    }

    /// Whether a route of the user's would get to see the request.
    pub(super) fn has_route(&self, head: &Head<'_>) -> bool {
        let path = head.path_bytes();
        self.find_fixed(path)
            .or_else(|| self.find_other(path).map(|(methods, _)| methods))
            .is_some_and(|methods| methods.find(head).is_some())
    }

    /// For a path that is not written as a fixed one is.
    fn find_other<'a>(&'a self, path: &'a [u8]) -> Option<(&'a Methods, Params<'a>)> {
        if path.contains(&b'%') {
            // An encoded slash is part of a segment and separates nothing.
            let decoded: Cow<'_, [u8]> = percent_decode(path).into();
            let same_segments = segments(&decoded).count() == segments(path).count();
            if let Some(methods) = self.find_fixed(&decoded).filter(|_| same_segments) {
                return Some((methods, Params::new()));
            }
        }
        self.patterns
            .iter()
            .find_map(|(pattern, methods)| pattern.matches(path).map(|params| (methods, params)))
    }

    #[inline]
    fn find_fixed(&self, path: &[u8]) -> Option<&Methods> {
        let [start, end] = *self.starts.get(path.len()..)?.first_chunk()?;
        let same_length = self.fixed.get(start..end)?;
        same_length.iter().find(|(known, _)| **known == *path).map(|(_, methods)| methods)
    }
}

fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
}

impl Methods {
    #[inline(always)]
    fn find(&self, head: &Head<'_>) -> Option<&Route> {
        if let Some(Some(route)) = self.by_verb.get(head.verb() as usize) {
            return Some(route);
        }
        self.find_other(head).or(self.any.as_ref())
    }

    fn find_other(&self, head: &Head<'_>) -> Option<&Route> {
        match head.verb() {
            Verb::Head => self.by_verb[Verb::Get as usize].as_ref(),
            Verb::Other => {
                let is_it = |name: &Method| name.as_str().as_bytes() == head.method_bytes();
                self.others.iter().find(|(name, _)| is_it(name)).map(|(_, route)| route)
            }
            _ => None,
        }
    }

    /// The value of an Allow field.
    fn allowed(&self) -> String {
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

impl Pattern {
    fn parse(path: &str) -> Pattern {
        let segment = |text: &str| match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            Some(name) => Segment::Param(name.into()),
            None => Segment::Fixed(text.into()),
        };
        Pattern(path.split('/').map(segment).collect())
    }

    fn matches<'a>(&'a self, path: &'a [u8]) -> Option<Params<'a>> {
        let mut params = Params::new();
        let mut segments = segments(path);
        for segment in &self.0 {
            let text = percent_decode(segments.next()?).decode_utf8().ok()?;
            match segment {
                Segment::Fixed(fixed) if **fixed == *text => {}
                Segment::Param(name) if !text.is_empty() => params.push((name, text)),
                _ => return None,
            }
        }
        segments.next().is_none().then_some(params)
    }
}
