//! What is known of upstreams: told on the log, counted, shown.

use super::clean;
use crate::admin::{EndpointView, UpstreamView};
use crate::control::upstreams::{Event, Keeper, Source, Spot, Upstreams, names};
use crate::telemetry::{Endpoints, Telemetry};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a start waits for the first look-ups of names; requests that come before them look up
/// for themselves.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// How often it is looked whether they are over.
const LOOK: Duration = Duration::from_millis(2);

/// Follows the upstreams of the first policy, looks their names up so often, and waits a little for
/// what those are.
pub(super) fn begin(
    telemetry: &Arc<Telemetry>,
    every: Duration,
    upstreams: &Upstreams,
) -> io::Result<Keeper> {
    let counted = telemetry.clone();
    let heard = move |event: &Event<'_>| hear(event, &counted);
    let keeper = Keeper::start(names::by_system, every, heard)?;
    keeper.follow(upstreams);
    let end = Instant::now() + FIRST_LOOK;
    while !upstreams.have_been_looked_up() && Instant::now() < end {
        std::thread::sleep(LOOK);
    }
    Ok(keeper)
}

/// Counts what was found out, and logs it where it is otherwise than before: an endpoint that is down
/// says so again and again.
fn hear(event: &Event<'_>, telemetry: &Telemetry) {
    match *event {
        Event::Looked { upstream, name, outcome, turned, has_some } => {
            telemetry.looked_up(outcome.is_ok());
            match outcome {
                _ if !turned => {}
                Ok(addresses) => {
                    tracing::info!(upstream, name, addresses, "the name is known again")
                }
                Err(why) => {
                    let (error, then) = (clean(why), without_news(has_some));
                    tracing::warn!(upstream, name, error, "the name cannot be looked up; {then}");
                }
            }
        }
        Event::Asked { upstream, address, outcome, turned } => {
            telemetry.probed(outcome.is_ok());
            match outcome {
                _ if !turned => {}
                Ok(()) => tracing::info!(upstream, endpoint = %address, "it is well"),
                Err(why) => {
                    let error = clean(why);
                    tracing::warn!(upstream, endpoint = %address, error, "it is not well; it gets no requests");
                }
            }
        }
    }
}

/// What follows where a name cannot be looked up.
fn without_news(has_some: bool) -> &'static str {
    match has_some {
        true => "its last addresses stay",
        false => "it has none yet, so what goes there looks it up itself, or fails",
    }
}

/// The page of the admin listener.
pub(super) fn views(upstreams: &Upstreams) -> Vec<UpstreamView> {
    let view = |source: &Arc<Source>| UpstreamView {
        id: source.id().clone(),
        endpoints: source.spots().iter().map(endpoint).collect(),
        lookup_error: source.lost().map(|why| clean(&why)),
    };
    upstreams.all().map(view).collect()
}

fn endpoint(spot: &Spot) -> EndpointView {
    let (asked, why) = spot.verdict.as_ref().map(|verdict| verdict.heard()).unwrap_or_default();
    EndpointView {
        url: spot.address.to_string(),
        healthy: asked.then(|| spot.is_well()),
        last_error: why.map(|why| clean(&why)),
    }
}

/// For the metrics.
pub(super) fn endpoints(upstreams: &Upstreams) -> Endpoints {
    let mut sum = Endpoints::default();
    for source in upstreams.followed() {
        sum.names_lost |= source.lost().is_some();
        for spot in source.spots().iter().filter(|spot| spot.verdict.is_some()) {
            let count = if spot.is_well() { &mut sum.healthy } else { &mut sum.unhealthy };
            *count += 1;
        }
    }
    sum
}
