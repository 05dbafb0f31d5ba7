//! `portcullis explain`: what the proxy would do with a request, and why.

mod asked;
pub(super) mod input;
pub(super) mod response;
mod story;

pub(super) use asked::{About, Asked, Failed};
pub(super) use story::Story;

use super::who::Who;
use super::{FINDING, complain, complain_of, print};
use crate::control::load;
use crate::control::store::Live;
use crate::decide::{Permit, Reason, Refusal, body};
use crate::filter::{Fault, Limits};
use crate::policy::resolve::Surroundings;
use crate::policy::snapshot::Snapshot;
use clap::ValueEnum;
use response::Shown;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Say what would happen to a request, and why: the decision, the grants behind it, the fields
/// that would be refused or removed.
///
/// Exits 0 where the request is allowed, 1 where it (or its response) is refused, 2 where the
/// policy does not load or the request cannot be understood.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  portcullis explain policy.yaml --user sam --claim roles=support GET /customers/7\n  portcullis explain policy/ --token \"$TOKEN\" PATCH /customers/7 --body patch.json --format json"
)]
pub struct Args {
    /// A policy file, or a folder of them.
    policy: PathBuf,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    about: About,
    /// The upstream's response, JSON, or records on a route of `events`: what would the caller see?
    #[arg(long, value_name = "FILE")]
    response: Option<PathBuf>,
    /// How to print the answer.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// One JSON object.
    Json,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let loaded = match load::load(&args.policy, &Surroundings::default(), 1) {
        Ok(loaded) => loaded,
        Err(failed) => return complain_of(&failed.report, &failed.sources),
    };
    let story = match tell(args, &loaded.live) {
        Ok(story) => story,
        Err(message) => return complain(&message),
    };
    let text = match args.format {
        Format::Human => story.human(&args.about),
        Format::Json => story.json(),
    };
    print(&text, if story.allowed() { ExitCode::SUCCESS } else { ExitCode::from(FINDING) })
}

/// An error where the answer depends on something that was not given.
fn tell(args: &Args, live: &Live) -> Result<Story, String> {
    let asked = Asked::read(&args.about, None)?;
    let response = args.response.as_deref().map(input::read).transpose()?;
    let mut story = Story {
        generation: live.snapshot.generation(),
        digest: live.snapshot.digest().clone(),
        ..Story::default()
    };
    match asked.judge(&live.snapshot, args.who.find(&live.identity), &mut story) {
        Ok(permit) => carry(&asked, &permit, (response.as_deref(), live), &mut story),
        Err(Failed::Refused(refusal)) => refuse(refusal, &asked, &mut story),
        Err(Failed::Answered(found)) => story.answer(&found, &live.snapshot),
        Err(Failed::Unknown(what)) => return Err(what),
    }
    Ok(story)
}

/// What happens to the bodies of a request that is allowed.
fn carry(
    asked: &Asked,
    permit: &Permit,
    (response, live): (Option<&[u8]>, &Live),
    story: &mut Story,
) {
    story.allow(permit);
    if let Err(refusal) = asked.carry(permit, &live.snapshot) {
        refuse(refusal, asked, story);
        if !story.allowed() {
            return;
        }
    }
    if permit.restores_hidden() {
        story.notes.push(RESTORES.into());
    }
    if let Some(response) = response {
        show(response, permit, &live.snapshot, story);
    }
}

fn refuse(refusal: Refusal, asked: &Asked, story: &mut Story) {
    if refusal.reason == Reason::BodyInvalid {
        story.notes.extend(asked.body_fault());
    }
    story.refuse(refusal);
}

/// What the caller sees of a response.
fn show(response: &[u8], permit: &Permit, snapshot: &Arc<Snapshot>, story: &mut Story) {
    let view = body::view(permit, snapshot);
    let Some(mut filter) = view.filter(snapshot, Limits::default(), true) else {
        story.body = Some(String::from_utf8_lossy(response).into_owned());
        return;
    };
    view.count_rows(&mut filter, snapshot, Limits::default(), response);
    let route = snapshot.route(permit.route());
    let Shown { text, end, removed, dropped } = response::filter(filter, response, route);
    if story.monitored {
        story.body = Some(String::from_utf8_lossy(response).into_owned());
    }
    match end {
        Ok(()) => {
            story.removed = removed;
            if dropped > 0 {
                story.notes.push(format!("{dropped} rows are not the caller's and go"));
            }
            if !story.monitored {
                story.body = Some(String::from_utf8_lossy(&text).into_owned());
            }
        }
        Err(Fault::Gone) => {
            story.notes.push("the object of the response is not the caller's".into());
            story.refuse(Refusal::because(Reason::NotOwner));
        }
        Err(fault) => {
            story.notes.push(format!("the response cannot be filtered: {fault}"));
            story.refuse(Refusal::because(Reason::Shape));
        }
    }
}

/// What is said of a write that is put together with what is stored.
pub(super) const RESTORES: &str = "before it is sent, the stored object is looked at, and what the \
                                   caller cannot see of it is put into the body: 409 where it has \
                                   no place there";
