//! Which roles a token claims: everywhere, or in one organization.
//!
//! Where a role is claimed depends on the organization that a request addresses, and a token is
//! read once for many requests. So it is read for every organization that it speaks of, and what
//! is kept answers for each.

use super::TokenFault;
use super::claims::{self, Place, follow};
use super::json::{self, Kind, Object};
use crate::principal::OrgRoles;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::Arc;

/// Where a token's roles stand, and what they are called here.
#[derive(Clone, Debug, Default)]
pub(super) struct RoleMap {
    /// Tried in order, for each organization.
    pub(super) places: Vec<RolePlace>,
    /// Names of the issuer, and what the policy calls them. Others keep their name.
    pub(super) renamed: HashMap<Box<str>, Arc<str>>,
}

/// One place of roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RolePlace {
    /// The same in every organization.
    Everywhere(Place),
    /// `/orgs/{org}/roles`
    ByMember(MemberPlace),
    /// `{items, key, value}`
    ByItem(ItemPlace),
}

/// A pointer in which one segment names the organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemberPlace {
    /// Segments that lead to the object whose members are named so.
    pub(super) to: Vec<Box<str>>,
    /// What stands before and after the organization's id in a member's name.
    pub(super) before: Box<str>,
    pub(super) after: Box<str>,
    /// Segments that lead on from the member.
    pub(super) on: Vec<Box<str>>,
}

/// A list of objects, one or more for each organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ItemPlace {
    pub(super) items: Place,
    /// Where an object names its organization.
    pub(super) key: Place,
    /// Where it has the roles.
    pub(super) value: Place,
}

/// What a token claims.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Claimed {
    /// Where it says nothing of the organization; `None` where it says nothing at all.
    pub(super) roles: Option<Vec<Arc<str>>>,
    pub(super) org_roles: OrgRoles,
}

/// Organizations, each with roles; one may come up several times.
type Found = Vec<(Arc<str>, Vec<Arc<str>>)>;

impl RoleMap {
    /// The roles that a payload claims. What is there and is no list of names refuses the token, of
    /// whatever organization it speaks: a token that is half understood is not understood.
    pub(super) fn read(&self, payload: &Object<'_>) -> Result<Claimed, TokenFault> {
        let mut claimed = Claimed::default();
        for place in &self.places {
            let found = match place {
                RolePlace::Everywhere(place) => match place.find(payload)? {
                    Some(value) => {
                        claimed.roles = Some(self.renamed(claims::roles(value)?));
                        // It is there for every organization that no place before has named.
                        break;
                    }
                    None => continue,
                },
                RolePlace::ByMember(place) => place.find(payload)?,
                RolePlace::ByItem(place) => place.find(payload)?,
            };
            let renamed = found.into_iter().map(|(org, roles)| (org, self.renamed(roles)));
            claimed.org_roles.add_unknown(renamed);
        }
        Ok(claimed)
    }

    fn renamed(&self, mut roles: Vec<Arc<str>>) -> Vec<Arc<str>> {
        for role in &mut roles {
            if let Some(name) = self.renamed.get(&**role) {
                *role = name.clone();
            }
        }
        roles
    }
}

impl MemberPlace {
    /// Every organization that the object speaks of.
    fn find(&self, payload: &Object<'_>) -> Result<Found, TokenFault> {
        let Some((head, rest)) = self.to.split_first() else { return self.among(payload) };
        let object = payload.get(head).map_or(Ok(None), |value| follow(value, rest))?;
        object.map_or(Ok(Found::new()), |value| self.among(&object_of(value)?))
    }

    fn among(&self, object: &Object<'_>) -> Result<Found, TokenFault> {
        let mut found = Found::new();
        for (name, value) in object.iter() {
            let Some(org) = self.org(name) else { continue };
            if let Some(value) = follow(value, &self.on)? {
                found.push((org.into(), claims::roles(value)?));
            }
        }
        Ok(found)
    }

    /// The organization that a member's name is about. None has an empty id.
    fn org<'n>(&self, name: &'n str) -> Option<&'n str> {
        let org = name.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        (!org.is_empty()).then_some(org)
    }
}

impl ItemPlace {
    /// Every organization that the list has an element for. Several elements for one add up.
    fn find(&self, payload: &Object<'_>) -> Result<Found, TokenFault> {
        let Some(value) = self.items.find(payload)? else { return Ok(Found::new()) };
        let items = match json::kind(value) {
            Kind::List => json::list(value).ok_or(TokenFault::Payload)?,
            _ => return Err(TokenFault::ClaimType("roles")),
        };
        let mut found = Found::new();
        for item in items {
            let item = object_of(item)?;
            let org = self.key.find(&item)?.and_then(json::text).filter(|org| !org.is_empty());
            let org = org.ok_or(TokenFault::ClaimType("roles"))?;
            if let Some(value) = self.value.find(&item)? {
                found.push((org.into(), claims::roles(value)?));
            }
        }
        Ok(found)
    }
}

/// An object that is read as strictly as the payload itself.
fn object_of(value: &RawValue) -> Result<Object<'_>, TokenFault> {
    match json::kind(value) {
        Kind::Object => Object::of(value).ok_or(TokenFault::Payload),
        _ => Err(TokenFault::ClaimType("roles")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Place {
        Place::parse(text).expect(text)
    }

    fn member(to: &[&str], (before, after): (&str, &str), on: &[&str]) -> RolePlace {
        let segments = |list: &[&str]| list.iter().map(|segment| (*segment).into()).collect();
        RolePlace::ByMember(MemberPlace {
            to: segments(to),
            before: before.into(),
            after: after.into(),
            on: segments(on),
        })
    }

    fn items(value: &str) -> RolePlace {
        let (items, key, value) = (name("orgs"), name("/org/id"), name(value));
        RolePlace::ByItem(ItemPlace { items, key, value })
    }

    fn read(places: Vec<RolePlace>, payload: &str) -> Result<String, TokenFault> {
        let renamed = [("Portal Admin".into(), "admin".into())].into();
        let claimed = RoleMap { places, renamed }.read(&Object::parse(payload).expect("JSON"))?;
        let by_org =
            claimed.org_roles.iter().map(|(org, roles)| format!("{org}={}", roles.join("+")));
        let everywhere = claimed.roles.map(|roles| format!("*={}", roles.join("+")));
        Ok(by_org.chain(everywhere).collect::<Vec<_>>().join(" "))
    }

    fn of_orgs() -> RolePlace {
        member(&["orgs"], ("", ""), &["roles"])
    }

    #[test]
    fn p09_roles_of_one_organization_are_no_other_s() {
        let payload = r#"{"orgs": {"acme": {"roles": ["Portal Admin", "a"]}, "a/b": {"roles": "x y"},
            "~": {"roles": []}, "a~1b": {"roles": "z"}, "": {"roles": "none"}, "off": {}, "ACME": {"roles": "q"}}}"#;
        assert_eq!(
            read(vec![of_orgs()], payload).unwrap(),
            "ACME=q a/b=x+y acme=admin+a a~1b=z ~="
        );
        assert_eq!(read(vec![of_orgs()], "{}").unwrap(), "");
    }

    #[test]
    fn p09_a_part_of_a_name_is_the_organization() {
        let payload = r#"{"role:acme:x": "a", "role::x": "none", "role:x": "b", "role:a:x:x": "c", "exp": 1}"#;
        let place = || vec![member(&[], ("role:", ":x"), &[])];
        assert_eq!(read(place(), payload).unwrap(), "a:x=c acme=a");
    }

    #[test]
    fn a_list_has_elements_for_organizations() {
        let payload = r#"{"orgs": [{"org": {"id": "acme"}, "roles": ["a"]}, {"org": {"id": "beta"}},
            {"org": {"id": "acme"}, "roles": "b Portal"}, {"org": {"id": "a/b"}, "roles": "Portal"}]}"#;
        assert_eq!(read(vec![items("roles")], payload).unwrap(), "a/b=Portal acme=a+b+Portal");
    }

    #[test]
    fn the_first_place_that_speaks_of_an_organization_counts_for_it() {
        let payload = r#"{"orgs": {"acme": {"roles": "a"}, "beta": {"roles": []}},
            "more": {"acme": "b", "beta": "b", "gamma": "g"}, "roles": "r"}"#;
        let more = || member(&["more"], ("", ""), &[]);
        let everywhere = || RolePlace::Everywhere(name("roles"));
        let said = |places| read(places, payload).unwrap();
        assert_eq!(said(vec![of_orgs(), more(), everywhere()]), "acme=a beta= gamma=g *=r");
        assert_eq!(said(vec![of_orgs(), everywhere(), more()]), "acme=a beta= *=r");
        assert_eq!(said(vec![everywhere(), of_orgs()]), "*=r");
        let absent = RolePlace::Everywhere(name("absent"));
        assert_eq!(said(vec![absent, of_orgs()]), "acme=a beta=");
    }

    #[test]
    fn p07_roles_that_cannot_be_read_refuse_the_token_whoever_is_addressed() {
        let wrong = Err(TokenFault::ClaimType("roles"));
        for payload in [
            r#"{"orgs": ["acme"]}"#,
            r#"{"orgs": "acme"}"#,
            r#"{"orgs": null}"#,
            r#"{"orgs": {"acme": {"roles": 1}}}"#,
            r#"{"orgs": {"acme": {"roles": null}}}"#,
            r#"{"orgs": {"acme": {"roles": ["a"]}, "beta": {"roles": [1]}}}"#,
        ] {
            assert_eq!(read(vec![of_orgs()], payload), wrong, "{payload}");
        }
        for payload in [
            r#"{"orgs": {"acme": "a"}}"#,
            r#"{"orgs": ["acme"]}"#,
            r#"{"orgs": [{"roles": "a"}]}"#,
            r#"{"orgs": [{"org": {"id": 7}, "roles": "a"}]}"#,
            r#"{"orgs": [{"org": {"id": ""}, "roles": "a"}]}"#,
            r#"{"orgs": [{"org": {"id": "acme"}, "roles": {"a": 1}}]}"#,
        ] {
            assert_eq!(read(vec![items("roles")], payload), wrong, "{payload}");
        }
        let twice = r#"{"orgs": {"acme": {"roles": "a", "roles": "b"}}}"#;
        assert_eq!(read(vec![of_orgs()], twice), Err(TokenFault::Payload));
    }
}
