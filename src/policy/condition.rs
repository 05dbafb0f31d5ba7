//! What must hold for a grant or a route to count, typed and compiled at load: nothing is
//! interpreted for a request. `decide` holds these against the facts of one.

use crate::filter::pick;
use crate::policy::access::Access;
use http::HeaderName;
use ipnet::IpNet;
use std::sync::Arc;

/// Objects that are read for one request. A grant that would need one more does not hold; where that
/// is so for whoever has a role, the policy does not load (GRANT_LIMIT).
pub const MAX_PREREADS: usize = 4;

/// Grants that judge the rows of one response. Those beyond, in order of definition, do not hold;
/// likewise.
pub const MAX_ROW_RULES: usize = 64;

/// The conditions of a grant; all must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    /// Of the request's head.
    pub when: Box<[Test]>,
    /// The only query parameters that a request may have, decoded, brackets and all.
    pub query: Option<Box<[Box<str>]>>,
    /// The object must be the caller's.
    pub owner: Option<Owner>,
    /// Rows of a list that stay.
    pub keep: Option<Keep>,
    /// A value that the request's body must have.
    pub require: Option<Require>,
}

/// A selector, and what it must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// What is looked at. Where it is absent, the test does not hold.
    pub selector: Selector,
    /// What it must be.
    pub wanted: Wanted,
}

/// A fact of a request's head.
#[derive(Clone, Debug, PartialEq)]
pub enum Selector {
    /// The segment of the path at this position, decoded.
    Param(usize),
    /// A query parameter, decoded.
    Query(Box<str>),
    /// A header.
    Header(HeaderName),
    /// A verified claim; of a list, one of it.
    Claim(Box<str>),
    /// The address that the connection comes from.
    ClientIp,
    /// Who holds the connection, by its certificate.
    Peer,
    /// When the request came.
    Time,
}

/// What a selector must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// One of these, byte for byte.
    OneOf(Box<[Value]>),
    /// An address in one of these networks.
    Within(Box<[IpNet]>),
    /// A time in one of these windows.
    During(Box<[Window]>),
}

/// A value that something is compared with. It can stand for several, of which one must fit, or
/// for none, which nothing fits.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// As typed.
    Literal(Arc<str>),
    /// A fact about the caller.
    Of(Fact),
    /// Text with facts in it: `Patient/{claims.patient}`. Absent where one of them is.
    Template(Box<[Part]>),
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// As typed.
    Literal(Box<str>),
    /// A fact about the caller that is one text.
    Of(Fact),
}

/// A fact about the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// `subject.id`
    Id,
    /// `subject.email`
    Email,
    /// `subject.org`: the addressed organization.
    Org,
    /// `subject.app`: the addressed application.
    App,
    /// `subject.roles`: the ids of the roles that count here.
    Roles,
    /// `subject.apps`: the applications of the addressed organization that the caller may enter.
    Apps,
    /// `subject.orgs`: the organizations that the caller is a member of.
    Orgs,
    /// `subject.visible_roles`: the roles that the caller's roles may see.
    VisibleRoles,
    /// `subject.assignable_roles`: the roles that the caller's roles may assign.
    AssignableRoles,
    /// `claims.NAME`
    Claim(Box<str>),
}

/// Whose an object must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    /// Where the object names its owner. Of several values one must be the caller.
    pub field: Field,
    /// The object to look at before anything is sent; `None` where the request's body and the
    /// rows of its response tell enough.
    pub of: Option<Object>,
    /// What the owner is called: `subject.id` where nothing is said.
    pub is: Value,
    /// Where the rows of a list are; `None`: where the types of the path say.
    pub items: Option<pick::Path>,
}

/// An object that is read before a request goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// The one that the request addresses.
    Itself,
    /// The one at this path.
    At(Box<[Piece]>),
}

/// A segment of the path of an [`Object`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// As typed.
    Literal(Box<str>),
    /// The request's segment at this position.
    Segment(usize),
}

/// Which rows of a response stay.
#[derive(Clone, Debug, PartialEq)]
pub struct Keep {
    /// Where the rows of a list are; `None`: where the types of the path say.
    pub items: Option<pick::Path>,
    /// What of a row is looked at. Of several values one must fit.
    pub field: Field,
    /// What it must be.
    pub among: Box<[Value]>,
}

/// What a value of the request's body must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Require {
    /// Where it is. Of several values all must fit.
    pub field: Field,
    /// What it must be.
    pub among: Box<[Value]>,
}

/// A value inside of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Where it is.
    pub at: pick::Path,
    /// The members that lead to it, the object itself left out: who writes one of them anew
    /// writes the value.
    pub above: Box<[pick::Path]>,
    /// Where it is in each object of a list.
    pub in_each: pick::Path,
}

/// When something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// From the one second up to, and without, the other, since 1970.
    Between(u64, u64),
    /// On these days of the week (bit 0 is Monday), from the one minute of the day up to, and
    /// without, the other, in UTC. One that ends before it begins goes on past midnight, and the
    /// day is the one on which it began.
    Weekly(u8, u16, u16),
}

impl Conditions {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.when.is_empty() && self.query.is_none() && self.is_of_head()
    }

    /// The object that is looked at before a request that needs this letter goes on. What is only
    /// read can be judged when it comes.
    pub fn looks_at(&self, letter: Access) -> Option<&Object> {
        let object = self.owner.as_ref()?.of.as_ref()?;
        Some(object).filter(|object| **object != Object::Itself || letter != Access::READ)
    }

    /// Whether rows of the response are judged where this letter is needed.
    pub fn judges_rows(&self, letter: Access) -> bool {
        let by_owner = self.owner.is_some() && self.looks_at(letter).is_none();
        self.keep.is_some() || (letter == Access::READ && by_owner)
    }

    /// Whether the head of a request decides, without any body.
    pub fn is_of_head(&self) -> bool {
        self.owner.is_none() && self.keep.is_none() && self.require.is_none()
    }
}

impl Window {
    /// Whether it holds at this second, since 1970.
    pub fn holds(self, now: u64) -> bool {
        let (days, from, to) = match self {
            Window::Between(from, to) => return from <= now && now < to,
            Window::Weekly(days, from, to) => (days, from, to),
        };
        // 1970 began on a Thursday.
        let today = (now / DAY + 3) % 7;
        let minute = (now % DAY / 60) as u16;
        let on = |day: u64| days >> day & 1 == 1;
        if from < to {
            return on(today) && from <= minute && minute < to;
        }
        (on(today) && from <= minute) || (on((today + 6) % 7) && minute < to)
    }
}

const DAY: u64 = 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-05T00:00:00Z, a Monday.
    const MONDAY: u64 = 1_767_571_200;

    #[test]
    fn a_window_of_the_week() {
        let work = Window::Weekly(0b0001_1111, 9 * 60, 17 * 60);
        let at = |day: u64, minute: u64| MONDAY + day * DAY + minute * 60;
        assert!(!work.holds(at(0, 539)) && work.holds(at(0, 540)) && work.holds(at(4, 1019)));
        assert!(!work.holds(at(4, 1020)) && !work.holds(at(5, 600)) && !work.holds(at(6, 600)));
    }

    #[test]
    fn a_window_past_midnight_belongs_to_the_day_on_which_it_began() {
        // Sunday, 22:00 to 06:00.
        let night = Window::Weekly(0b0100_0000, 22 * 60, 6 * 60);
        let at = |day: u64, minute: u64| MONDAY + day * DAY + minute * 60;
        assert!(night.holds(at(6, 22 * 60)) && night.holds(at(7, 6 * 60 - 1)));
        assert!(!night.holds(at(7, 6 * 60)) && !night.holds(at(0, 22 * 60)));
        assert!(!night.holds(at(6, 60)), "Saturday night is not listed");
    }

    #[test]
    fn a_window_between_two_times() {
        let window = Window::Between(10, 20);
        assert_eq!([9, 10, 19, 20].map(|now| window.holds(now)), [false, true, true, false]);
    }
}
