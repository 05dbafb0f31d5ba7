//! Policies of any size, as files of a folder: what an exporter of a directory would write.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// How large a policy is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub routes: usize,
    pub roles: usize,
    pub members: usize,
}

/// How its files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One member a line, as a mapping in braces.
    Flow,
    /// One key a line.
    Block,
    /// JSON on one line an entity.
    Json,
}

/// How many organizations the members are spread over.
const ORGS: usize = 1_000;

/// Writes a policy into a folder: its members in `files` files, all else in one more. Gives how
/// many bytes that is.
pub fn write(folder: &Path, size: Size, form: Form, files: usize) -> usize {
    let mut total = 0;
    let mut file = |name: String, text: String| {
        total += text.len();
        fs::write(folder.join(name), text).expect("the folder can be written to");
    };
    file("access.yaml".into(), access(size));
    let share = size.members.div_ceil(files.max(1));
    for (at, from) in (0..size.members).step_by(share.max(1)).enumerate() {
        let ending = if form == Form::Json { "json" } else { "yaml" };
        let range = from..(from + share).min(size.members);
        file(format!("members-{at}.{ending}"), members(range, size, form));
    }
    total
}

/// Routes in an organization each, roles that share their grants, and the organizations.
fn access(size: Size) -> String {
    let mut text = String::from("policy: 1\nmembership: directory\nroutes:\n");
    for route in 0..size.routes {
        let _ = writeln!(text, "  - {{match: '/orgs/{{org}}/kind{route}/**'}}");
    }
    text.push_str("roles:\n");
    for role in 0..size.roles {
        let _ = write!(text, "  - {{id: role-{role}, grants: [");
        for route in (role..size.routes.max(size.roles)).step_by(size.roles) {
            let comma = if route == role { "" } else { ", " };
            let kind = route % size.routes;
            let _ =
                write!(text, "{comma}{{path: '/orgs/{{org}}/kind{kind}/{{id}}', access: crud}}");
        }
        text.push_str("]}\n");
    }
    text.push_str("organizations:\n");
    for org in 0..ORGS {
        let _ = writeln!(text, "  - {{id: org-{org}}}");
    }
    text
}

fn members(range: std::ops::Range<usize>, size: Size, form: Form) -> String {
    let mut text = String::from(match form {
        Form::Json => "{\"policy\": 1, \"members\": [\n",
        _ => "policy: 1\nmembers:\n",
    });
    let last = range.end - 1;
    for at in range {
        let (org, role, other) = (at % ORGS, at % size.roles, at * 7 % size.roles);
        let _ = match form {
            Form::Flow => writeln!(
                text,
                "  - {{user: user-{at:07}, org: org-{org}, roles: [role-{role}, role-{other}]}}"
            ),
            Form::Block => writeln!(
                text,
                "  - user: user-{at:07}\n    org: org-{org}\n    roles:\n      - role-{role}\n      - role-{other}"
            ),
            Form::Json => writeln!(
                text,
                "{{\"user\": \"user-{at:07}\", \"org\": \"org-{org}\", \"roles\": [\"role-{role}\", \"role-{other}\"]}}{}",
                if at == last { "" } else { "," }
            ),
        };
    }
    if form == Form::Json {
        text.push_str("]}\n");
    }
    text
}
