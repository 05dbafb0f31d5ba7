//! Organizations, applications, groups and members.

use super::{Row, STATUS, may, must};
use crate::policy::bind::kinds::Kind::*;
use crate::policy::bind::people::{
    APPLICATION, ASSIGNED_APP, GROUP, GROUP_ENTRY, MEMBER, ORGANIZATION, USER,
};

pub(super) const ROWS: &[Row] = &[
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
            may(
                "upstream",
                Id,
                "Where requests that address it go, unless their route names an upstream",
            ),
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
];
