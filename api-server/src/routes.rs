//! Addresses, each with the role that it takes, registered and described in one breath.
//!
//! What an operation is given and what it answers is read off its handler's own types; what is added
//! here is what no type says: its name, its words, and who may ask. The same role that the
//! description shows is the one that is asked for before the handler runs.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::ApiMethodRouter;
use aide::generate::in_context;
use aide::transform::TransformOperation;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use drover_domain::role::Access;
use drover_domain::{ResourceType, Role};
use serde_json::json;

use crate::Shared;
use crate::authorization::Caller;
use crate::problem::{Kind, Problem, catalogue, shape};

/// The extension of an operation that says which role it takes.
pub(crate) const ROLE: &str = "x-role";

/// Who may ask for an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// Below this role it does not exist.
    pub(crate) see: Role,
    /// Below this role it is refused.
    pub(crate) act: Role,
    /// Whoever asks has to show nothing.
    is_open: bool,
}

impl Needs {
    /// Anybody at all.
    pub(crate) const OPEN: Self = Self {
        is_open: true,
        ..Self::ANY
    };
    /// Anybody with a key.
    pub(crate) const ANY: Self = Self::role(Role::Agent);
    /// Whoever sees something of a project.
    pub(crate) const VIEWER: Self = Self::role(Role::Viewer);
    /// Whoever changes something of a project.
    pub(crate) const MEMBER: Self = Self {
        see: Role::Viewer,
        act: Role::Member,
        is_open: false,
    };
    /// Operators only.
    pub(crate) const OPERATOR: Self = Self::role(Role::Operator);

    const fn role(role: Role) -> Self {
        Self {
            see: role,
            act: role,
            is_open: false,
        }
    }

    /// To read resources of a type.
    pub(crate) const fn to_see(resource_type: ResourceType) -> Self {
        Self::role(Access::to(resource_type).see)
    }

    /// To change resources of a type.
    pub(crate) const fn to_change(resource_type: ResourceType) -> Self {
        let access = Access::to(resource_type);
        Self {
            see: access.see,
            act: access.change,
            is_open: false,
        }
    }

    fn check(self, role: Role) -> Result<(), Problem> {
        if role < self.see {
            Err(Problem::no_route())
        } else if role < self.act {
            Err(Problem::role(self.act))
        } else {
            Ok(())
        }
    }
}

/// What no type says about an operation.
pub(crate) struct About {
    needs: Needs,
    id: String,
    summary: String,
    tag: &'static str,
    problems: Vec<&'static Kind>,
}

/// An operation by its id (`listContainers`) and a line for people, under the tag of what it is about.
pub(crate) fn about(
    needs: Needs,
    tag: &'static str,
    id: impl Into<String>,
    summary: impl Into<String>,
) -> About {
    About {
        needs,
        id: id.into(),
        summary: summary.into(),
        tag,
        problems: Vec::new(),
    }
}

impl About {
    /// Problems that the handler may answer with, beside those of its extractors.
    #[must_use]
    pub(crate) fn fails(mut self, kinds: &[&'static Kind]) -> Self {
        self.problems.extend(kinds);
        self
    }

    pub(crate) fn describe<'t>(&self, operation: TransformOperation<'t>) -> TransformOperation<'t> {
        let mut operation = operation.id(&self.id).summary(&self.summary).tag(self.tag);
        let mut problems = Vec::new();
        if !self.needs.is_open {
            operation = operation
                .security_requirement("key")
                .security_requirement("session");
            problems.extend([&catalogue::UNAUTHORIZED, &catalogue::RATE_LIMIT]);
        }
        problems.extend([
            &catalogue::QUERY_TOO_LONG,
            &catalogue::PATH_TOO_LONG,
            &catalogue::HEADERS_TOO_LARGE,
        ]);
        problems.extend(self.problems.iter().copied());
        if self.needs.see > Role::Agent {
            problems.push(&catalogue::NOT_FOUND);
        }
        if self.needs.act > self.needs.see {
            problems.push(&catalogue::ROLE);
        }
        let inner = operation.inner_mut();
        let role = json!(self.needs.act);
        inner.extensions.insert(ROLE.to_owned(), role);
        in_context(|context| shape::add(context, inner, &problems));
        operation
    }
}

/// The addresses of the API.
pub(crate) struct Routes(ApiRouter<Arc<Shared>>);

impl Routes {
    pub(crate) fn new() -> Self {
        Self(ApiRouter::new())
    }

    /// Adds an operation: `routes.on(path, about, |about| get_with(handler, about))`.
    #[must_use]
    pub(crate) fn on(
        self,
        path: &str,
        about: About,
        operation: impl FnOnce(&About) -> ApiMethodRouter<Arc<Shared>>,
    ) -> Self {
        let needs = about.needs;
        let guarded =
            operation(&about).layer(from_fn(move |request, next| guard(needs, request, next)));
        Self(self.0.api_route(path, guarded))
    }

    /// Adds the addresses of something else.
    #[must_use]
    pub(crate) fn and(self, add: impl FnOnce(Self) -> Self) -> Self {
        add(self)
    }

    pub(crate) fn into_router(self) -> ApiRouter<Arc<Shared>> {
        self.0
    }
}

async fn guard(needs: Needs, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>();
    let allowed = match caller {
        _ if needs.is_open => Ok(()),
        Some(caller) => needs.check(caller.role),
        None => Err(Problem::unauthorized()),
    };
    match allowed {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// The operations of the API by method, as handlers are registered.
macro_rules! methods {
    ($($method:ident = $with:ident,)*) => {
        impl Routes {
            $(
                #[doc = concat!("Adds what answers to `", stringify!($method), "` at an address.")]
                #[must_use]
                pub(crate) fn $method<H, I, O, T>(self, path: &str, about: About, handler: H) -> Self
                where
                    H: axum::handler::Handler<T, Arc<Shared>> + aide::operation::OperationHandler<I, O>,
                    I: aide::operation::OperationInput,
                    O: aide::operation::OperationOutput,
                    T: 'static,
                {
                    self.on(path, about, |about| {
                        aide::axum::routing::$with(handler, |operation| about.describe(operation))
                    })
                }
            )*
        }
    };
}

methods! {
    get = get_with,
    post = post_with,
    put = put_with,
    patch = patch_with,
    delete = delete_with,
}
