//! Routes and the patterns of paths.

use super::super::dice::Dice;
use super::super::model::Route;
use super::super::paths::split;
use super::Plan;
use std::collections::BTreeMap;

pub const HOSTS: &str = "x.test x.test y.test *.test *.x.test";

pub fn routes(dice: &mut Dice, plan: Plan) -> Vec<Route> {
    let mut routes = dice.some(1..4, route);
    if routes[0].org.is_none() && !plan.plain && dice.percent(75) {
        routes[0].org = Some("claims.org".into());
    }
    // First, so that it stays where there is only one.
    match dice.below(10) {
        0..=6 => routes[0].pattern = "/**".into(),
        7..=8 => {
            routes[0].pattern = "/{org}/{app}/**".into();
            (routes[0].org, routes[0].app) = (None, None);
        }
        _ => {}
    }
    if plan.hosted {
        for route in &mut routes {
            route.host = dice.maybe(70, |dice| host(dice, route));
        }
    }
    if !plan.plain {
        routes.iter_mut().for_each(|route| by_header(dice, route));
    }
    let mut shapes = Vec::new();
    routes.retain(|route| {
        let host = route
            .host
            .as_deref()
            .map(|host| host.replace("{org}", "*").replace("{app}", "*").replace("{t}", "*"));
        let shape = (host, shape(&route.pattern));
        let new = !shapes.contains(&shape);
        shapes.push(shape);
        new
    });
    if plan.plain {
        routes.iter_mut().for_each(|route| route.pattern = without_params(&route.pattern));
        routes.truncate(1);
    }
    routes
}

/// A host, whose first label may say what is addressed.
fn host(dice: &mut Dice, route: &mut Route) -> String {
    let addresses =
        |name: &str, claimed: &Option<String>| claimed.is_none() && !route.pattern.contains(name);
    let (org, app) = (addresses("{org}", &route.org), addresses("{app}", &route.app));
    match dice.below(6) {
        0 if org => "{org}.test".into(),
        1 if app => "{app}.test".into(),
        2 if org => {
            route.org = Some("host.t".into());
            "{t}.test".into()
        }
        _ => dice.word(HOSTS),
    }
}

/// Now and then what was to be claimed stands in a header.
fn by_header(dice: &mut Dice, route: &mut Route) {
    for (address, header) in [(&mut route.org, "x-org"), (&mut route.app, "x-app")] {
        if address.as_deref().is_some_and(|from| from.starts_with("claims.")) && dice.percent(25) {
            *address = Some(format!("header.{header}"));
        }
    }
}

fn route(dice: &mut Dice) -> Route {
    let post = dice.maybe(20, |dice| dice.word("r u d"));
    let (org, app) = (dice.percent(20), dice.percent(10));
    let mut route = Route {
        pattern: broad(dice),
        public: dice.maybe(10, |_| "r".into()),
        upsert: dice.percent(20),
        update: dice.maybe(30, |_| "merge".into()),
        verbs: post
            .map(|letter| ("POST".to_owned(), letter))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        ..Route::default()
    };
    let captures = |name: &str| route.pattern.contains(name);
    let (org, app) = (org && !captures("{org}"), app && !captures("{app}"));
    route.org = org.then(|| "claims.org".into());
    route.app = app.then(|| "claims.app".into());
    route
}

/// Broad patterns are frequent, so that most requests get as far as the question of who may.
pub fn broad(dice: &mut Dice) -> String {
    match dice.below(12) {
        0..=4 => "/**".into(),
        5 => "/x/**".into(),
        6 => "/{org}/**".into(),
        7..=8 => "/{org}/{app}/**".into(),
        _ => pattern(dice),
    }
}

pub fn pattern(dice: &mut Dice) -> String {
    let mut path = String::new();
    for at in 0..dice.below(4) {
        let segment = dice.word("x x y z {id} {org} {app}");
        // A name stands once in a pattern.
        match segment.starts_with('{') && path.contains(&segment) {
            true => path.push_str(&format!("/{{p{at}}}")),
            false => path.push_str(&format!("/{segment}")),
        }
    }
    match (path.is_empty(), dice.percent(50)) {
        (_, true) => path + "/**",
        (true, false) => "/".into(),
        (false, false) => path,
    }
}

/// What makes two routes the same.
fn shape(pattern: &str) -> Vec<String> {
    let part = |segment: &str| if segment.starts_with('{') { "{}".into() } else { segment.into() };
    split(pattern).into_iter().map(part).collect()
}

fn without_params(pattern: &str) -> String {
    pattern.replace("{org}", "x").replace("{app}", "y")
}
