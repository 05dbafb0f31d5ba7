//! The thread that finds out where endpoints are and whether they are well.
//!
//! Each upstream of which there is something to find out has a task, and each of its places one more
//! where it is asked. A policy that no longer names an upstream ends them.

use super::names::{Known, Looked, Lookup};
use super::{Check, Source, Spot, Upstreams, Verdict, probe};
use crate::control::keys::jittered;
use crate::policy::upstream::UpstreamAddress;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub struct Keeper {
    /// What is to be followed from now on.
    wanted: Option<UnboundedSender<Vec<Arc<Source>>>>,
    thread: Option<JoinHandle<()>>,
}

/// Something was found out.
#[derive(Debug)]
pub enum Event<'a> {
    /// A name was looked up.
    Looked {
        upstream: &'a str,
        name: &'a str,
        /// How many addresses it has, or why that is not known.
        outcome: &'a Result<usize, String>,
        /// Whether it fails since now, or no longer does.
        turned: bool,
        /// Whether there are addresses of it to go to, of now or of before.
        has_some: bool,
    },
    /// An endpoint was asked whether it is well.
    Asked {
        upstream: &'a str,
        address: &'a UpstreamAddress,
        outcome: &'a Result<(), String>,
        /// Whether it is something else now than before.
        turned: bool,
    },
}

/// Hears of each.
pub trait Told: Fn(&Event<'_>) + Send + Sync + 'static {}

impl<F: Fn(&Event<'_>) + Send + Sync + 'static> Told for F {}

/// What the tasks work with.
struct Tools {
    lookup: Box<dyn Lookup>,
    /// How often names are looked up.
    every: Duration,
    told: Box<dyn Told>,
}

impl Keeper {
    /// Starts the thread. It follows nothing until it is told what. Names are looked up every
    /// `every`, up to a tenth earlier.
    pub fn start(lookup: impl Lookup, every: Duration, told: impl Told) -> io::Result<Keeper> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (sender, mut receiver) = unbounded_channel();
        let tools = Tools { lookup: Box::new(lookup), every, told: Box::new(told) };
        let tools = Arc::new(tools);
        let thread = std::thread::Builder::new().name("upstreams".into()).spawn(move || {
            runtime.block_on(async {
                let mut followed = Vec::new();
                while let Some(sources) = receiver.recv().await {
                    follow(&mut followed, sources, &tools);
                }
            });
            // A name that is being looked up is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Keeper { wanted: Some(sender), thread: Some(thread) })
    }

    /// Follows these upstreams from now on, and no others. What was begun of them goes on.
    pub fn follow(&self, upstreams: &Upstreams) {
        if let Some(sender) = &self.wanted {
            // A thread that has panicked has said so; what was found out last stays.
            let _gone = sender.send(upstreams.followed().cloned().collect());
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.wanted.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// A task that ends with this.
struct Task<T> {
    of: Arc<T>,
    task: AbortHandle,
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn follow(followed: &mut Vec<Task<Source>>, sources: Vec<Arc<Source>>, tools: &Arc<Tools>) {
    followed.retain(|task| sources.iter().any(|source| Arc::ptr_eq(&task.of, source)));
    for source in sources {
        if !followed.iter().any(|task| Arc::ptr_eq(&task.of, &source)) {
            let task = tokio::spawn(keep(source.clone(), tools.clone())).abort_handle();
            followed.push(Task { of: source, task });
        }
    }
}

/// Follows one upstream for as long as the task lives.
async fn keep(source: Arc<Source>, tools: Arc<Tools>) {
    let mut known = Known::new(&source);
    let mut asked = Vec::new();
    loop {
        // Asked before as well: who is called by a name that is not known yet may be down.
        ask_all(&mut asked, &source, &tools);
        for Looked { name, outcome, turned, has_some } in known.look(&source, &*tools.lookup).await
        {
            let (upstream, name, outcome) = (source.id.as_ref(), name.as_ref(), &outcome);
            (tools.told)(&Event::Looked { upstream, name, outcome, turned, has_some });
        }
        ask_all(&mut asked, &source, &tools);
        match source.has_names() {
            true => sleep(jittered(tools.every)).await,
            false => std::future::pending().await,
        }
    }
}

/// Asks each place of an upstream, and no others.
fn ask_all(asked: &mut Vec<Task<Verdict>>, source: &Arc<Source>, tools: &Arc<Tools>) {
    let spots = source.spots();
    let verdicts = || spots.iter().filter_map(|spot| spot.verdict.as_ref());
    asked.retain(|task| verdicts().any(|verdict| Arc::ptr_eq(&task.of, verdict)));
    for spot in spots.iter() {
        let Some(verdict) = &spot.verdict else { continue };
        if !asked.iter().any(|task| Arc::ptr_eq(&task.of, verdict)) {
            let asking = ask(source.clone(), spot.clone(), verdict.clone(), tools.clone());
            let task = tokio::spawn(asking).abort_handle();
            asked.push(Task { of: verdict.clone(), task });
        }
    }
}

/// Asks one place for as long as the task lives.
async fn ask(source: Arc<Source>, spot: Spot, verdict: Arc<Verdict>, tools: Arc<Tools>) {
    let Some(check) = &source.check else { return };
    let Check { about, .. } = check;
    loop {
        let outcome = probe::ask(&source, &spot, check).await;
        let turned = verdict.hear(&outcome, about);
        let (upstream, address, outcome) = (source.id.as_ref(), &spot.address, &outcome);
        (tools.told)(&Event::Asked { upstream, address, outcome, turned });
        sleep(jittered(about.interval)).await;
    }
}
