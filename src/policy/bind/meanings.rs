//! What each key of a policy holds, and what it means, in a line.

use super::access::{
    AT, DENY, ENTRIES, GRANT, RESOURCE_TYPE, RESTRICTION, ROLE, ROLE_DEFAULTS, SCHEMA,
};
use super::identity::{CLAIMS, FORWARDED, IDENTITY, JWKS, JWT, MAX_LEEWAY, SECRET};
use super::keys::{API_KEY, API_KEYS};
use super::kinds::Kind::*;
use super::kinds::{Key, Kind, may, must};
use super::people::{APPLICATION, ASSIGNED_APP, GROUP, GROUP_ENTRY, MEMBER, ORGANIZATION, USER};
use super::route::{ROUTE, UPSTREAM};
use super::{LIMITS, POLICY, Shape};

/// The methods that a letter can stand for.
pub(super) const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

const PATH: Kind = Matching(r"^(?=/)(/([^/{}*?#\\]+|\{[A-Za-z_][A-Za-z0-9_]*\}))*(/|/\*\*)?$");
const LETTERS: Kind = Matching(r"^(?!.*(.).*\1)[crud]{1,4}$");
const POINTER: Kind = Matching("^(/.*)?$");
const SELECTOR: Kind = Matching(r"^claims\..+$");
const STATUS: Kind = Word(&["active", "suspended"]);

/// Every mapping of the language: what it is, and its keys.
pub(super) const SHAPES: &[(&Shape, &str, &[Key])] = &[
    (
        &POLICY,
        "Who may do what, and who may see which field",
        &[
            must("policy", Version, "The version of the language: 1"),
            may("name", Text, "What to call the policy"),
            may(
                "membership",
                Word(&["directory", "token"]),
                "Where roles come from: `members`, or credentials. `directory` if there is `members` or `groups`, else `token`",
            ),
            may("limits", One(&LIMITS), "How many roles a binding may have"),
            may("upstreams", Many(&UPSTREAM), "Where bytes go; without it, where the settings say"),
            may(
                "routes",
                Many(&ROUTE),
                "What requests address and where they go; without it one route, `/**`",
            ),
            may(
                "identity",
                One(&IDENTITY),
                "Who issues credentials; without it everything that is not public is 401",
            ),
            may("organizations", Many(&ORGANIZATION), "The tenants"),
            may("applications", Many(&APPLICATION), "What an organization may be given"),
            may("users", Many(&USER), "Which users are suspended"),
            may(
                "groups",
                Many(&GROUP),
                "Roles, restrictions and applications that several members have",
            ),
            may("members", Many(&MEMBER), "Who has which roles where"),
            may("roles", Many(&ROLE), "What may be done, and which schemas limit it"),
            may(
                "role_defaults",
                One(&ROLE_DEFAULTS),
                "Grants that roles have without listing them",
            ),
            may(
                "restrictions",
                Many(&RESTRICTION),
                "Named sets of denials, attached to members and groups",
            ),
            may("schemas", Many(&SCHEMA), "Which fields of a type pass"),
            may("resource_types", Many(&RESOURCE_TYPE), "Where objects of a type are in bodies"),
            may(
                "mode",
                Word(&["enforce", "monitor"]),
                "`monitor` tells what would be refused and lets it pass; `enforce`",
            ),
        ],
    ),
    (
        &LIMITS,
        "How many roles a binding may have",
        &[
            may(
                "org_roles_per_member",
                Count,
                "Roles of a member in its organization: a number, or `many`",
            ),
            may(
                "app_roles_per_access",
                Count,
                "Roles of a member in one application: a number, or `many`",
            ),
        ],
    ),
    (
        &UPSTREAM,
        "Where bytes go",
        &[
            must("id", Id, "What routes call it"),
            must("url", Matching("^(http://.+|unix:/.+)$"), "`http://host:port`, or `unix:/path`"),
            may("host", Text, "The Host to send; without it, the client's"),
        ],
    ),
    (
        &ROUTE,
        "What a request addresses and how it is carried; the most specific route counts",
        &[
            must(
                "match",
                PATH,
                "A path: literal segments, `{name}` for one segment, a trailing `/**` for the subtree. `{org}` and `{app}` address an organization and an application",
            ),
            may("upstream", Id, "An upstream's id"),
            may(
                "org",
                SELECTOR,
                "`claims.NAME`: the addressed organization, where no `{org}` says it",
            ),
            may(
                "app",
                SELECTOR,
                "`claims.NAME`: the addressed application, where no `{app}` says it",
            ),
            may(
                "verbs",
                Verbs,
                "Another letter for a method: a stronger one, or for POST also `u` or `r`",
            ),
            may("upsert", Flag, "PUT and PATCH need `c` besides"),
            may(
                "update",
                Word(&["merge", "replace"]),
                "What PUT does with fields that it does not mention; `replace`",
            ),
            may("public", LETTERS, "Letters for which no credential is evaluated"),
            may(
                "request",
                Word(&["json", "opaque"]),
                "How request bodies are read; `json`. Opaque ones pass unread",
            ),
            may(
                "response",
                Word(&["json", "opaque"]),
                "How response bodies are read; `json`. Opaque ones pass unread, even where fields are hidden",
            ),
            may("params", Word(&["keep"]), "`keep` allows `;` in paths"),
            may(
                "credential",
                Word(&["pass", "strip"]),
                "Whether the upstream gets the caller's credential; `strip`",
            ),
        ],
    ),
    (
        &IDENTITY,
        "Who issues credentials",
        &[
            may("jwt", Many(&JWT), "Issuers of signed tokens, taken from `Authorization: Bearer`"),
            may("api_keys", One(&API_KEYS), "Long random keys, of which the policy holds digests"),
            may(
                "forwarded",
                One(&FORWARDED),
                "Headers from a proxy that has authenticated the caller",
            ),
            may(
                "same_users",
                Flag,
                "Authenticators that can yield the same id mean the same person",
            ),
        ],
    ),
    (
        &JWT,
        "An issuer of signed tokens, with `jwks` or `secrets`",
        &[
            must("issuer", Text, "The exact `iss`"),
            must("audience", Texts, "The token's `aud` must name one of these"),
            must(
                "algorithms",
                Texts,
                "The token's must be one of these and fit the key: `ES256`, `RS256`, `EdDSA`, `HS256`…",
            ),
            may("jwks", One(&JWKS), "The key set"),
            may(
                "secrets",
                Many(&SECRET),
                "For HMAC, oldest last; at least 32 bytes each, used byte for byte",
            ),
            may("claims", One(&CLAIMS), "Where the token names the user, its roles and so on"),
            may("leeway", Whole(0, MAX_LEEWAY), "Seconds of clock skew that are forgiven; 60"),
            may(
                "prefix",
                Text,
                "Put before user ids, so that two authenticators cannot mean different people by one id",
            ),
            may("typ", Word(&["at+jwt"]), "Only access tokens of RFC 9068"),
        ],
    ),
    (&JWKS, "A key set", &[must("file", Text, "A file, from the policy's folder")]),
    (
        &SECRET,
        "A shared secret, from one source",
        &[
            may("file", Text, "A file, from the policy's folder, used byte for byte"),
            may("env", Text, "A variable of the environment"),
        ],
    ),
    (
        &CLAIMS,
        "Where a token says what: a claim's name, a JSON pointer, or a list of them",
        &[
            may("user", TextOrTexts, "The user's id; `sub`"),
            may("org", TextOrTexts, "The organization in which the token acts alone"),
            may("app", TextOrTexts, "The application in which the token acts alone"),
            may("roles", TextOrTexts, "Roles: a list, or a text with spaces"),
            may("email", TextOrTexts, "The user's address"),
        ],
    ),
    (
        &API_KEYS,
        "Long random keys, of which the policy holds digests",
        &[
            may("in", Words(&["header", "bearer"]), "Where a key stands; `header`"),
            may("header", Text, "The name of the header; `X-Api-Key`"),
            may("prefix", Text, "Put before user ids"),
            must("keys", Many(&API_KEY), "The keys"),
        ],
    ),
    (
        &API_KEY,
        "A key: its digest, and whom it stands for",
        &[
            must("user", Text, "The user's id"),
            may("org", Text, "The organization in which the key acts alone"),
            may("app", Text, "The application in which the key acts alone"),
            must(
                "sha256",
                Matching("^[0-9a-f]{64}$"),
                "SHA-256 of the key, 64 lower-case hexadecimal digits",
            ),
            may(
                "roles",
                Texts,
                "The roles that it has; where members are listed, those that it keeps",
            ),
            may("claims", Claims, "Claims that it brings"),
            may("expires", Time, "Until when it counts, in UTC: `2027-01-01T00:00:00Z`"),
        ],
    ),
    (
        &FORWARDED,
        "Headers from a proxy that has authenticated the caller",
        &[
            must("peers", Texts, "Who is believed: addresses, CIDR blocks, or `unix`"),
            must("user", Text, "The header that names the user"),
            may("org", Text, "The header that names the organization"),
            may("app", Text, "The header that names the application"),
            may("roles", Text, "The header that lists roles"),
            may("email", Text, "The header that has the user's address"),
            may("prefix", Text, "Put before user ids"),
        ],
    ),
    (
        &ORGANIZATION,
        "A tenant",
        &[
            must("id", Id, "What routes, members and credentials call it"),
            may("name", Text, "For people"),
            may("apps", ManyOrId(&ASSIGNED_APP), "The applications that it has"),
            may("status", STATUS, "Nobody acts in a suspended organization; `active`"),
            may("operator", Flag, "The vendor's own: its roles may reach other organizations"),
        ],
    ),
    (
        &ASSIGNED_APP,
        "An application of an organization",
        &[
            must("id", Id, "The application's id"),
            may("auto_assign", Flag, "Every user of the organization may enter it"),
        ],
    ),
    (
        &APPLICATION,
        "What an organization may be given",
        &[
            must("id", Id, "What routes, organizations and members call it"),
            may("name", Text, "For people"),
            may("active", Flag, "Nobody enters an inactive application; true"),
            may("default_role", Id, "The application role that acts where an access lists none"),
            may("auto_assign", Flag, "Every organization has it, and every user may enter it"),
            may("default", Flag, "Every organization has it; one application at most"),
        ],
    ),
    (
        &USER,
        "A user: who one is say credentials",
        &[
            must("id", Id, "The user's id, with its authenticator's prefix"),
            may("email", Text, "For people"),
            may("status", STATUS, "A suspended user is a member of nothing; `active`"),
        ],
    ),
    (
        &GROUP,
        "What its members have besides their own",
        &[
            must("id", Id, "What members call it"),
            may("org", Id, "The organization; left out where the policy has none"),
            may("roles", Texts, "Organization roles"),
            may("restrictions", Texts, "Restrictions that bind its members"),
            may(
                "apps",
                RolesByApp,
                "Applications, each with a list of application roles; an empty one means the application's default",
            ),
        ],
    ),
    (
        &GROUP_ENTRY,
        "A group that a member is in",
        &[
            must("id", Id, "The group's id"),
            may("not_before", Time, "From when the member is in it, in UTC"),
            may("expires", Time, "Until when the member is in it, in UTC"),
        ],
    ),
    (
        &MEMBER,
        "Who has which roles where",
        &[
            must("user", Id, "The user's id, with its authenticator's prefix"),
            may("org", Id, "The organization; left out where the policy has none"),
            may("roles", Texts, "Organization roles"),
            may(
                "apps",
                RolesByApp,
                "Applications, each with a list of application roles; an empty one means the application's default",
            ),
            may("status", STATUS, "A suspended member has no access; `active`"),
            may("primary", Flag, "The organization's first user, whom no restriction binds"),
            may("groups", ManyOrId(&GROUP_ENTRY), "Groups of its organization"),
            may(
                "restrictions",
                Texts,
                "Restrictions that bind the member; left out means those that are default",
            ),
            may("not_before", Time, "From when the membership counts, in UTC"),
            may("expires", Time, "Until when the membership counts, in UTC"),
        ],
    ),
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
            must("access", LETTERS, "`c` create, `r` read, `u` update, `d` delete"),
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
                "A JSON pointer: `\"\"` is the whole body, `*` every element or member: `/data/*`",
            ),
            may(
                "entries",
                One(&ENTRIES),
                "The object stands there as a list of pairs: `[{\"key\": …, \"value\": …}]`",
            ),
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
