//! `portcullis filter`: a body as the caller would see it, or may send it.

use super::explain::response::Reader;
use super::explain::{About, Asked, Failed, RESTORES, Story, input};
use super::who::Who;
use super::{FINDING, complain, complain_of, print_bytes, say};
use crate::control::load;
use crate::control::store::Live;
use crate::decide::body::{self, View};
use crate::decide::{Permit, Reason, Refusal};
use crate::filter::mask::Mask;
use crate::filter::{Fault, Filter, Limits};
use crate::policy::resolve::Surroundings;
use crate::policy::snapshot::{BodyKind, Route};
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Filter a response's body as the proxy would for a caller: what comes in is what the upstream
/// answers (200), what goes out is what the caller would see of it.
///
/// Nothing goes out before all of the body is known to be good; it may have 64 MiB.
///
/// Exits 0 where something may be seen (or sent), 1 where the request is refused or the body is
/// not valid (then nothing goes out, and standard error says why), 2 where the policy does not
/// load, the request cannot be understood, or the body cannot be read.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  portcullis filter policy.yaml --user sam --claim roles=support GET /customers/7 < customer.json\n  portcullis filter policy/ --token \"$TOKEN\" --write PATCH /customers/7 < patch.json"
)]
pub struct Args {
    /// A policy file, or a folder of them.
    policy: PathBuf,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    about: About,
    /// What comes in is the request's body: print it as the caller may send it, or name the fields
    /// that are at fault.
    #[arg(long, conflicts_with = "body")]
    write: bool,
}

/// Why nothing goes out.
enum Unfit {
    /// The policy refuses it.
    Refused(Refusal),
    /// It is not what it should be.
    Fault(Fault),
    /// The proxy answers by itself.
    Answered,
    /// It could not be found out.
    Unusable(String),
}

pub(super) fn run(args: &Args) -> ExitCode {
    let loaded = match load::load(&args.policy, &Surroundings::default(), 1) {
        Ok(loaded) => loaded,
        Err(failed) => return complain_of(&failed.report, &failed.sources),
    };
    let mut story = Story::default();
    let stdin = io::stdin().lock();
    let filtered = match args.write {
        true => written(args, &loaded.live, stdin, &mut story),
        false => seen(args, &loaded.live, stdin, &mut story),
    };
    match filtered {
        Ok(text) => print_bytes(&text, ExitCode::SUCCESS),
        Err(Unfit::Unusable(why)) => complain(&why),
        Err(unfit) => {
            say(&why(&unfit, &story.notes));
            ExitCode::from(FINDING)
        }
    }
}

/// What the caller may send of a request's body: all of it, or nothing.
fn written(
    args: &Args,
    live: &Live,
    stdin: impl Read,
    story: &mut Story,
) -> Result<Vec<u8>, Unfit> {
    let mut body = Vec::new();
    input::pieces(stdin, NAME, |piece| -> Result<(), Unfit> {
        body.extend_from_slice(piece);
        Ok(())
    })?;
    let (asked, permit) = judge(args, live, Some(body), story)?;
    if !permit.is_monitored() {
        asked.carry(&permit, &live.snapshot)?;
    }
    if permit.restores_hidden() {
        say(&format!("portcullis: {RESTORES}\n"));
    }
    Ok(asked.body().to_vec())
}

/// What the caller sees of a response's body.
fn seen(args: &Args, live: &Live, stdin: impl Read, story: &mut Story) -> Result<Vec<u8>, Unfit> {
    let (asked, permit) = judge(args, live, None, story)?;
    if !permit.is_monitored() {
        asked.carry(&permit, &live.snapshot)?;
    }
    let route = live.snapshot.route(permit.route());
    let view = match permit.is_monitored() {
        true => View::Whole,
        false => body::view(&permit, &live.snapshot),
    };
    let mut showing = Showing { live, route, view, held: Vec::new(), way: None, text: Vec::new() };
    input::pieces(stdin, NAME, |piece| showing.push(piece).map_err(Unfit::Fault))?;
    showing.finish().map_err(Unfit::Fault)
}

fn judge(
    args: &Args,
    live: &Live,
    body: Option<Vec<u8>>,
    story: &mut Story,
) -> Result<(Asked, Permit), Unfit> {
    let asked = Asked::read(&args.about, body)?;
    match asked.judge(&live.snapshot, args.who.find(&live.identity), story) {
        Ok(permit) => Ok((asked, permit)),
        Err(Failed::Refused(refusal)) => Err(Unfit::Refused(refusal)),
        Err(Failed::Answered(_)) => Err(Unfit::Answered),
        Err(Failed::Unknown(what)) => Err(Unfit::Unusable(what)),
    }
}

/// A response's body as it comes in, and what is to go out of it.
struct Showing<'a> {
    live: &'a Live,
    route: &'a Route,
    view: View,
    /// The beginning, until it is known how the body is to be read.
    held: Vec<u8>,
    way: Option<Way>,
    text: Vec<u8>,
}

enum Way {
    /// Nobody reads it.
    Unread,
    Through(Reader),
}

impl Showing<'_> {
    /// The proxy holds the beginning of a body, too: one that is whole by then has its totals put
    /// right.
    fn push(&mut self, piece: &[u8]) -> Result<(), Fault> {
        if self.way.is_none() {
            self.held.extend_from_slice(piece);
            return if self.held.len() > HELD { self.begin(false) } else { Ok(()) };
        }
        self.pass(piece)
    }

    fn finish(mut self) -> Result<Vec<u8>, Fault> {
        if self.way.is_none() {
            self.begin(true)?;
        }
        if let Some(Way::Through(reader)) = &mut self.way {
            reader.finish(&mut self.text)?;
        }
        Ok(self.text)
    }

    fn begin(&mut self, whole: bool) -> Result<(), Fault> {
        let held = std::mem::take(&mut self.held);
        self.way = Some(match self.filter(whole, &held) {
            // No body is as good as any.
            Some(_) if whole && held.is_empty() => Way::Unread,
            Some(filter) => Way::Through(Reader::of(filter, &held, self.route)),
            None => Way::Unread,
        });
        self.pass(&held)
    }

    /// `None` where the route says that nobody reads it. Where nothing is hidden the proxy does not
    /// read it either, and here it must be good all the same.
    fn filter(&self, whole: bool, held: &[u8]) -> Option<Filter> {
        let (snapshot, limits) = (&self.live.snapshot, Limits::default());
        match self.view.filter(snapshot, limits, false) {
            Some(mut filter) => {
                if whole {
                    self.view.count_rows(&mut filter, snapshot, limits, held);
                }
                Some(filter)
            }
            None if self.route.response == BodyKind::Opaque => None,
            None => Some(Filter::new(Arc::new(Mask::show()), limits)),
        }
    }

    fn pass(&mut self, piece: &[u8]) -> Result<(), Fault> {
        match &mut self.way {
            Some(Way::Through(reader)) => reader.push(piece, &mut self.text),
            _ => {
                self.text.extend_from_slice(piece);
                Ok(())
            }
        }
    }
}

impl From<Refusal> for Unfit {
    fn from(refusal: Refusal) -> Unfit {
        Unfit::Refused(refusal)
    }
}

impl From<String> for Unfit {
    fn from(why: String) -> Unfit {
        Unfit::Unusable(why)
    }
}

fn why(unfit: &Unfit, notes: &[String]) -> String {
    let refused = |reason: Reason| format!("portcullis: refused: {reason} ({})\n", reason.status());
    match unfit {
        Unfit::Fault(Fault::Gone) => refused(Reason::NotOwner),
        Unfit::Fault(fault) => format!("portcullis: the body cannot be filtered: {fault}\n"),
        Unfit::Answered => "portcullis: the proxy answers this by itself\n".to_owned(),
        Unfit::Unusable(why) => format!("portcullis: {why}\n"),
        Unfit::Refused(refusal) => {
            let pointers = refusal.pointers.iter().map(|at| format!("  at {at:?}\n"));
            let notes = notes.iter().map(|note| format!("  note: {note}\n"));
            pointers.chain(notes).fold(refused(refusal.reason), |all, line| all + &line)
        }
    }
}

/// What messages call the body.
const NAME: &str = "standard input";

/// Bytes of a response that are held before anything is decided, as the proxy does.
const HELD: usize = 64 * 1024;
