//! Where tokens keep roles, and what those are called here.

use super::Compiler;
use crate::identity::claims::{Place, unescape};
use crate::identity::roles::{ItemPlace, MemberPlace, RoleMap, RolePlace};
use crate::policy::raw::{RawClaims, RawRolePlace, Text};
use std::sync::Arc;

impl Compiler<'_> {
    pub(super) fn role_map(&mut self, raw: &RawClaims) -> RoleMap {
        let mut places: Vec<_> = raw.roles.iter().filter_map(|raw| self.role_place(raw)).collect();
        if raw.roles.is_empty() {
            places.push(RolePlace::Everywhere(Place::Name("roles".into())));
        }
        let renamed = raw.map.iter().map(|(theirs, ours)| {
            self.filled(ours, "map");
            (theirs.value.as_str().into(), Arc::from(ours.value.as_str()))
        });
        RoleMap { places, renamed: renamed.collect() }
    }

    fn role_place(&mut self, raw: &RawRolePlace) -> Option<RolePlace> {
        match raw {
            RawRolePlace::At(typed) if typed.value.contains(ORG) => {
                self.member_place(typed).map(RolePlace::ByMember)
            }
            RawRolePlace::At(typed) => self.place(typed).map(RolePlace::Everywhere),
            RawRolePlace::Items { items, key, value } => {
                let [items, key, value] = [items, key, value].map(|typed| self.fixed(typed));
                Some(RolePlace::ByItem(ItemPlace { items: items?, key: key?, value: value? }))
            }
        }
    }

    /// A place in a list of objects, which says itself which organization each is about.
    fn fixed(&mut self, typed: &Text) -> Option<Place> {
        if typed.value.contains(ORG) {
            let message = "`key` says which organization an element is about, not `{org}`";
            self.error(
                typed.span,
                message.into(),
                "write `roles: /orgs/{org}/roles` without `items`",
            );
            return None;
        }
        self.place(typed)
    }

    fn place(&mut self, typed: &Text) -> Option<Place> {
        let place = Place::parse(&typed.value);
        if place.is_none() {
            self.no_place(typed);
        }
        place
    }

    pub(super) fn no_place(&mut self, typed: &Text) {
        let message = format!("`{}` is neither a claim's name nor a JSON pointer", typed.value);
        let help = "write a name, or a pointer as RFC 6901 has it: `/realm_access/roles`";
        self.error(typed.span, message, help);
    }

    /// A pointer with one `{org}`; a name is a pointer of one segment.
    fn member_place(&mut self, typed: &Text) -> Option<MemberPlace> {
        if typed.value.matches(ORG).count() > 1 {
            let message = format!("`{}` names the organization twice", typed.value);
            self.error(typed.span, message, "write `{org}` once");
            return None;
        }
        let place = member_place(&typed.value);
        if place.is_none() {
            self.no_place(typed);
        }
        place
    }
}

fn member_place(text: &str) -> Option<MemberPlace> {
    let mut place =
        MemberPlace { to: Vec::new(), before: "".into(), after: "".into(), on: Vec::new() };
    let mut passed = false;
    let (segments, literal) = match text.strip_prefix('/') {
        Some(rest) => (rest.split('/').collect::<Vec<_>>(), false),
        None => (vec![text], true),
    };
    // A name has no escapes.
    let read = |part: &str| if literal { Some(part.into()) } else { unescape(part) };
    for segment in segments {
        match segment.split_once(ORG) {
            Some((before, after)) => {
                (place.before, place.after) = (read(before)?, read(after)?);
                passed = true;
            }
            None if passed => place.on.push(read(segment)?),
            None => place.to.push(read(segment)?),
        }
    }
    Some(place)
}

/// What stands for the addressed organization's id.
const ORG: &str = "{org}";

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<String> {
        let MemberPlace { to, before, after, on } = member_place(text)?;
        Some(format!("{}|{before}|{after}|{}", to.join(","), on.join(",")))
    }

    #[test]
    fn one_segment_names_the_organization() {
        for (typed, read) in [
            ("/orgs/{org}/roles", "orgs|||roles"),
            ("/{org}", "|||"),
            ("{org}", "|||"),
            ("roles/{org}", "|roles/||"),
            ("/a~1b/x~0{org}~1y/c/0", "a/b|x~|/y|c,0"),
        ] {
            assert_eq!(parts(typed).as_deref(), Some(read), "{typed}");
        }
        for odd in ["/a~/{org}", "/{org}/~2", "/{org}~"] {
            assert_eq!(parts(odd), None, "{odd}");
        }
    }
}
