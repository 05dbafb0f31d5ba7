//! QUERY_UNLISTED: grants under which a query can ask about fields or rows that their role does not
//! show.

use crate::diag::{Code, Diagnostic, Report};
use crate::policy::access::Access;
use crate::policy::condition::Owner;
use crate::policy::resolve::{Resolved, ResolvedGrant, ResolvedRole, ResolvedType};

/// Grants that let objects be read of which their role hides something, or of a list only some rows,
/// and that do not say which query parameters there are. Names of hidden fields are refused, but only
/// the API knows which other words speak of them, and which of them count rows.
pub(super) fn unlisted(resolved: &Resolved, report: &mut Report) {
    for role in &resolved.roles {
        let types = hiding(role, resolved);
        for grant in role.grants.iter().filter(|grant| reads_unlisted(grant)) {
            let message = match types.iter().any(|kind| is_at(kind, grant)) {
                true => "hides fields here, and any query parameter that does not name one passes",
                false if shows_some_rows(grant) => {
                    "shows only some rows here, and any query parameter passes, also one that asks \
                     about the others"
                }
                false => continue,
            };
            let message = format!("`{}` {message}", role.id);
            report.push(Diagnostic::warning(Code::QueryUnlisted, grant.path_span, message).help(
                "list the parameters that the API has for this path: `query: [page, sort]`; \
                 an empty list lets none through",
            ));
        }
    }
}

/// The types of which a role does not show all.
fn hiding<'a>(role: &ResolvedRole, resolved: &'a Resolved) -> Vec<&'a ResolvedType> {
    let schemas = role.schemas.iter().map(|schema| &resolved.schemas[*schema]);
    let hiding = schemas.filter(|schema| schema.masks.read.hides(schema.masks.read.root()));
    hiding.filter_map(|schema| resolved.types.get(schema.kind)).collect()
}

fn reads_unlisted(grant: &ResolvedGrant) -> bool {
    let listed = grant.conditions.as_ref().is_some_and(|conditions| conditions.query.is_some());
    grant.access.has(Access::READ) && !listed
}

fn shows_some_rows(grant: &ResolvedGrant) -> bool {
    let owns_rows = |owner: &Owner| owner.of.is_none();
    grant.conditions.as_ref().is_some_and(|conditions| {
        conditions.keep.is_some() || conditions.owner.as_ref().is_some_and(owns_rows)
    })
}

fn is_at(kind: &ResolvedType, grant: &ResolvedGrant) -> bool {
    kind.ats.iter().any(|at| at.pattern.unifies(&grant.pattern))
}
