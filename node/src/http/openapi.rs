//! The description of the API, derived from its handlers and types.

use axum::Json;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    audit, customer, ending, erasure, inbox, node, partner, policy, record, seeing, share,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Entente",
        description = "Run an event together without giving customer lists away. Errors are \
            application/problem+json (RFC 9457). `kind` in a path is events, customers, \
            participations, interactions or followups; ids may be cut to a unique prefix."
    ),
    modifiers(&Bearer),
    security(("token" = [])),
    components(schemas(
        crate::api::problem::ProblemBody,
        crate::api::problem::ErrorKind,
        crate::api::share::Leaving,
        crate::api::erasure::Forgetting
    )),
    paths(
        node::status, node::owed, node::fields, node::dump, node::compact, node::verify,
        node::backup, node::nodes, node::introduction, node::learn, node::go_on,
        partner::list, partner::show, partner::invite, partner::accept, partner::confirm,
        partner::pause, partner::resume, partner::remove, partner::preview_remove,
        partner::alias, partner::ping,
        share::list, share::open, share::show, share::place, share::withdraw, share::grant,
        share::preview_grant, share::revoke,
        ending::receipts, ending::close, ending::leave, inbox::list, inbox::dismiss,
        seeing::matrix, seeing::preview, seeing::explain,
        policy::with, policy::presets, policy::export, policy::apply, policy::approve,
        policy::configure, policy::missing_fields,
        record::list, record::create, record::show, record::show_any, record::set, record::delete,
        record::preview_delete, record::history, record::undo, record::all_conflicts, record::conflicts, record::resolve,
        record::roster, record::add_participations,
        customer::consents, customer::give, customer::withdraw, customer::give_to_many,
        customer::import, customer::export, erasure::erase, erasure::erasures, erasure::adopt,
        audit::lines, audit::verify, audit::disclosures,
    )
)]
struct Api;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// The description.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// The description as an answer.
pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(openapi())
}
