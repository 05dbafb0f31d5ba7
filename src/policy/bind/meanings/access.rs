//! Roles with their grants, restrictions, schemas, and the places of resource types.

use super::{HOST, LETTERS, PATH, POINTER, Row, may, must};
use crate::policy::bind::access::{
    AT, DENY, ENTRIES, GRANT, IS, RESOURCE_TYPE, RESTRICTION, ROLE, ROLE_DEFAULTS, SCHEMA,
};
use crate::policy::bind::condition::{KEEP, OWNER, REQUIRE};
use crate::policy::bind::kinds::Kind::*;

pub(super) const ROWS: &[Row] = &[
    (
        &ROLE,
        "What may be done, and which schemas limit it",
        &[
            must("id", Id, "What credentials and members call it"),
            may("name", Text, "For people; unique"),
            may("description", Text, "For people"),
            may(
                "scope",
                Word(&["org", "app"]),
                "Where it can be bound: to a membership or to an application; `org`",
            ),
            may("grants", Many(&GRANT), "What it allows; every grant that matches counts"),
            may("schemas", Texts, "Schemas that limit what its grants let through"),
            may("default", Flag, "An application role that acts where an access lists none"),
            may("visible_to", Texts, "Administration: roles whose holders see it"),
            may("assignable_by", Texts, "Administration: roles whose holders may give it"),
            may("editable_by", Texts, "Administration: roles whose holders may change it"),
            may("builtin", Flag, "Administration: its id is reserved"),
            may("first_member", Flag, "Administration: who creates an organization has it"),
            may("fallback", Flag, "Administration: members whose role is deleted get it"),
            may("protect_last", Flag, "Administration: its last holder stays"),
            may("includes", Texts, "Roles of the same scope that whoever has this one has, too"),
            may(
                "app_access",
                Word(&["all", "assigned"]),
                "`all`: every application of the organization, without access being given; `assigned`",
            ),
            may(
                "reach",
                Word(&["own", "all-orgs"]),
                "`all-orgs`, in an operator's organization: counts in every organization; `own`",
            ),
            may(
                "from_token",
                Flag,
                "With `membership: both`: also counts where a credential claims it",
            ),
            may(
                "filtered_count",
                Flag,
                "Whoever acts by its grants is told how much was filtered from a response",
            ),
        ],
    ),
    (
        &GRANT,
        "An allow",
        &[
            must(
                "path",
                PATH,
                "Literal segments, `{name}` for one segment, a trailing `/**` for the subtree. `{org}` and `{app}` match the addressed ones alone",
            ),
            may(
                "host",
                HOST,
                "Where it counts: a name, or `*.` and a name for exactly one label before it",
            ),
            must("access", LETTERS, "`c` create, `r` read, `u` update, `d` delete"),
            may(
                "when",
                When,
                "What the head of a request must say, all of it: `param.NAME`, `query.NAME`, `header.NAME`, `claims.NAME`, `client.ip`, `time`",
            ),
            may("query", Texts, "The only query parameters that a request may have"),
            may("owner", One(&OWNER), "Whose the object must be"),
            may("keep", One(&KEEP), "Which rows of a list stay"),
            may("require", One(&REQUIRE), "What a value of the request's body must be"),
        ],
    ),
    (
        &OWNER,
        "Whose an object must be",
        &[
            must("field", POINTER, "Where the object names its owner; `*` means any of several"),
            may(
                "of",
                PATH,
                "The object to look at before anything is sent, its parameters captured by the grant's path",
            ),
            may(
                "is",
                Text,
                "What the owner is called; `subject.id`. A template has facts in braces: `Patient/{claims.patient}`",
            ),
            may(
                "items",
                POINTER,
                "Where the rows of a list are; without it, where the types say, else the body",
            ),
        ],
    ),
    (
        &KEEP,
        "Which rows of a list stay",
        &[
            may(
                "items",
                POINTER,
                "Where the rows are; without it, where the types say, else the body",
            ),
            must("field", POINTER, "What of a row is looked at; `*` means any of several"),
            must(
                "in",
                Values,
                "What it must be: values, `subject.apps` and the like, `claims.NAME`",
            ),
        ],
    ),
    (
        &REQUIRE,
        "What a value of the request's body must be",
        &[
            must("field", POINTER, "Where it is; with `*`, each of several"),
            must(
                "in",
                Values,
                "What it must be: values, `subject.assignable_roles` and the like, `claims.NAME`",
            ),
        ],
    ),
    (
        &ROLE_DEFAULTS,
        "Grants that roles have without listing them",
        &[
            may("app", Many(&GRANT), "Of every application role"),
            may("org", Many(&GRANT), "Of every organization role"),
            may("any", Many(&GRANT), "Of every caller that has been identified"),
            may(
                "ceiling",
                Id,
                "An application role: others, save those that are `builtin`, may grant only what it grants",
            ),
        ],
    ),
    (
        &RESTRICTION,
        "A named set of denials, attached to members and groups; they go before every grant",
        &[
            must("id", Id, "What members and groups call it"),
            may("name", Text, "For people"),
            must("deny", Many(&DENY), "What it denies"),
            may("requires", Texts, "Restrictions that must stand in the same list"),
            may(
                "default",
                Flag,
                "Binds every member that has no `restrictions` and is not primary",
            ),
            may("confirm", Flag, "Administration: whoever attaches it is asked again"),
        ],
    ),
    (
        &DENY,
        "A denial",
        &[
            must(
                "path",
                PATH,
                "Literal segments, `{name}` for one segment, a trailing `/**` for the subtree. `{org}` and `{app}` match the addressed ones alone",
            ),
            may("host", HOST, "Where it denies; on every host without it"),
            must("access", LETTERS, "`c` create, `r` read, `u` update, `d` delete"),
        ],
    ),
    (
        &SCHEMA,
        "Which fields of a type pass",
        &[
            must("id", Id, "What roles call it"),
            may("name", Text, "For people"),
            must("type", Id, "The resource type that it limits"),
            must("body", Schema, "JSON Schema"),
            may(
                "formats",
                Word(&["annotate", "assert"]),
                "`assert`: `format` is checked; `annotate`, where it is a note",
            ),
            may(
                "case",
                Word(&["sensitive", "insensitive"]),
                "`insensitive`: a key that is a property's name but for its case is shown and hidden like it; `sensitive`",
            ),
            may("redact", Redact, "`null`: what is hidden becomes null; `remove`, where it goes"),
        ],
    ),
    (
        &RESOURCE_TYPE,
        "Where objects of a type are in bodies",
        &[
            must("id", Id, "What schemas call it"),
            must("at", Many(&AT), "The places; several of one path are alternatives"),
            may(
                "elsewhere",
                Word(&["refuse", "pass"]),
                "What happens under a grant that may reach objects of the type, on a path that no place names; `refuse`",
            ),
            may(
                "count",
                Texts,
                "JSON pointers to totals of its lists: put right, or removed, where rows go",
            ),
        ],
    ),
    (
        &AT,
        "On this path, objects of the type are there",
        &[
            must("path", PATH, "The path"),
            must(
                "pointer",
                POINTER,
                "A JSON pointer: `\"\"` is the whole body, `*` every element or member: `/data/*`; with `is`, `/**` is every object",
            ),
            may(
                "entries",
                One(&ENTRIES),
                "The object stands there as a list of pairs: `[{\"key\": …, \"value\": …}]`",
            ),
            may("is", One(&IS), "Objects of the type say by a member, the tag, that they are"),
        ],
    ),
    (
        &IS,
        "What objects of the type are called; others at this place are none",
        &[
            must("field", POINTER, "A pointer inside of the object, to its tag: `/resourceType`"),
            must("value", Text, "What the tag says: `Patient`"),
        ],
    ),
    (
        &ENTRIES,
        "Where each pair keeps the name of a property and its value",
        &[
            must("key", POINTER, "A pointer inside of the pair, to the name"),
            must("value", POINTER, "A pointer inside of the pair, to the value"),
        ],
    ),
];
