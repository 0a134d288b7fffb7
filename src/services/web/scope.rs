//! Routers within routers: the state, guards and mappers that hold for the routes of each. Knows no
//! connection and finds no route.

use super::failure::Failure;
use super::pattern::Pattern;
use super::request::Request;
use super::response::{Response, TEXT};
use super::router::Route;

pub(super) type Guard<S> = Box<dyn Fn(&Request<'_, S>) -> Result<(), Response> + Send + Sync>;
pub(super) type Mapper<S> = Box<dyn Fn(&Request<'_, S>, &mut Response) + Send + Sync>;
pub(super) type OnFailure<S> = Box<dyn Fn(&Request<'_, S>, &Failure) -> Response + Send + Sync>;

/// A router, without its routes.
pub(super) struct Scope<S> {
    /// The router around this one.
    pub(super) parent: Option<usize>,
    pub(super) prefix: Pattern,
    pub(super) state: Box<S>,
    pub(super) guards: Vec<Guard<S>>,
    pub(super) mappers: Vec<Mapper<S>>,
    pub(super) not_found: Option<Route<S>>,
    pub(super) on_failure: Option<OnFailure<S>>,
}

impl<S> Scope<S> {
    pub(super) fn new(state: S) -> Scope<S> {
        Scope {
            parent: None,
            prefix: Pattern::default(),
            state: Box::new(state),
            guards: Vec::new(),
            mappers: Vec::new(),
            not_found: None,
            on_failure: None,
        }
    }
}

/// All routers of a service. The first is the outermost.
pub(super) struct Scopes<S> {
    outermost: Scope<S>,
    nested: Vec<Scope<S>>,
}

impl<S> Scopes<S> {
    pub(super) fn new(outermost: Scope<S>) -> Scopes<S> {
        Scopes { outermost, nested: Vec::new() }
    }

    #[inline(always)]
    pub(super) fn outermost(&self) -> &Scope<S> {
        &self.outermost
    }

    pub(super) fn outermost_mut(&mut self) -> &mut Scope<S> {
        &mut self.outermost
    }

    /// Adds the routers of another service. Returns the offset of their indices.
    pub(super) fn adopt(&mut self, others: Scopes<S>, prefix: &Pattern) -> usize {
        let shift = 1 + self.nested.len();
        for mut scope in std::iter::once(others.outermost).chain(others.nested) {
            scope.parent = Some(scope.parent.map_or(0, |parent| parent + shift));
            scope.prefix = scope.prefix.below(prefix);
            self.nested.push(scope);
        }
        shift
    }

    fn get(&self, at: usize) -> &Scope<S> {
        at.checked_sub(1).and_then(|at| self.nested.get(at)).unwrap_or(&self.outermost)
    }

    /// Returns a router and the routers around it, from the inside out.
    fn outwards(&self, from: usize) -> impl DoubleEndedIterator<Item = &Scope<S>> {
        let mut chain = Vec::new();
        let mut next = Some(from);
        while let Some(at) = next {
            let scope = self.get(at);
            chain.push(scope);
            next = scope.parent;
        }
        chain.into_iter()
    }

    /// Returns the innermost router for a path.
    pub(super) fn at(&self, path: &[u8]) -> usize {
        let nested = self.nested.iter().enumerate();
        let around = nested.filter(|(_, scope)| scope.prefix.is_start_of(path));
        // Of two with one prefix, or one within the other, the one that was nested last counts.
        let depth = |at: usize| self.outwards(at).count();
        around.map(|(at, _)| at + 1).max_by_key(|at| depth(*at)).unwrap_or(0)
    }

    /// Returns true if a route of this router is called by itself.
    pub(super) fn is_plain(&self, at: usize) -> bool {
        at == 0 && self.outermost.guards.is_empty() && self.outermost.mappers.is_empty()
    }

    pub(super) fn has_mappers(&self, at: usize) -> bool {
        self.outwards(at).any(|scope| !scope.mappers.is_empty())
    }

    /// Prepares a request for a route or a function of this router.
    pub(super) fn enter<'q>(&'q self, at: usize, request: &mut Request<'q, S>) {
        request.state = &self.get(at).state;
    }

    /// Calls the guards, from the outside in.
    ///
    /// # Errors
    ///
    /// The answer of the first that refuses the request.
    pub(super) fn admit<'q>(
        &'q self,
        at: usize,
        request: &mut Request<'q, S>,
    ) -> Result<(), Response> {
        for scope in self.outwards(at).rev() {
            request.state = &scope.state;
            for guard in &scope.guards {
                guard(request)?;
            }
        }
        Ok(())
    }

    /// Calls the mappers, from the inside out.
    pub(super) fn map<'q>(
        &'q self,
        at: usize,
        request: &mut Request<'q, S>,
        response: &mut Response,
    ) {
        for scope in self.outwards(at) {
            request.state = &scope.state;
            for mapper in &scope.mappers {
                mapper(request, response);
            }
        }
    }

    /// Returns the route for paths without a route.
    pub(super) fn not_found<'q>(
        &'q self,
        at: usize,
        request: &mut Request<'q, S>,
    ) -> Option<&'q Route<S>> {
        let scope = self.outwards(at).find(|scope| scope.not_found.is_some())?;
        request.state = &scope.state;
        scope.not_found.as_ref()
    }

    /// Returns the answer to a failure.
    pub(super) fn failed<'q>(
        &'q self,
        at: usize,
        request: &mut Request<'q, S>,
        failure: &Failure,
    ) -> Response {
        for scope in self.outwards(at) {
            if let Some(on_failure) = &scope.on_failure {
                request.state = &scope.state;
                return on_failure(request, failure);
            }
        }
        plain(failure)
    }
}

/// Returns the default answer to a failure.
pub(super) fn plain(failure: &Failure) -> Response {
    let status = failure.status();
    let text = match status.is_client_error() {
        true => format!("{status}: {}\n", failure.reason().escape_debug()),
        false => format!("{status}\n"),
    };
    Response::new(status).bytes(TEXT, text)
}
