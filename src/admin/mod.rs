//! The admin listener: health, metrics and the state of the policy, on loopback.
//!
//! It has a thread and a runtime of its own, so that it answers while the workers are busy, and
//! it knows the rest of the process only through [`AdminState`]. Nothing here authenticates, so
//! it binds to nothing but loopback addresses and Unix sockets, and a web page cannot reach it
//! through a name of its own (see [`host`]).

mod bind;
mod host;
mod pages;
mod serve;

pub use bind::{BindError, Bound, bind};
pub use pages::{EndpointView, LastError, PolicyView, UpstreamView};
pub use serve::{Admin, CONNECTION_LIFE, HEADER_TIMEOUT, MAX_CONNECTIONS, MAX_HEAD};

/// What the admin listener shows. Every method is called at each request that needs it, and must
/// not block for long.
pub trait AdminState: Send + Sync + 'static {
    /// Whether requests are served: the listeners run, a policy is live and has the keys that it
    /// needs, nothing drains. An error says why not, in a line.
    fn ready(&self) -> Result<(), String>;

    /// The live policy, and the last load that failed, if none has succeeded since.
    fn policy(&self) -> PolicyView;

    /// The public keys of the statements that upstreams get, as a JSON Web Key Set; `None` where
    /// they get none.
    fn jwks(&self) -> Option<String> {
        None
    }

    /// Where the upstreams are, and what is known of their health.
    fn upstreams(&self) -> Vec<UpstreamView> {
        Vec::new()
    }

    /// All metrics, in the OpenMetrics text format.
    fn metrics(&self) -> String;
}
