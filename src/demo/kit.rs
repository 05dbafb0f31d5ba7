//! The folder of a demo (policy, secret, tokens) and the words that it prints.

use aws_lc_rs::rand;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long the printed tokens are good.
pub const TOKEN_LIFE: Duration = Duration::from_hours(24);

/// The policy of the demo, as it starts.
pub const POLICY: &str = include_str!("policy.yaml");

/// The `iss` that [`POLICY`] trusts.
pub const ISSUER: &str = "https://demo.portcullis.example";

/// People of the demo, each with the role that the token claims. The user's name is the name of
/// the file that holds the token.
pub const PEOPLE: [(&str, &str); 3] =
    [("sam", "support"), ("mia", "manager"), ("deo", "device-operator")];

/// A folder that holds what one demo needs. Dropping it removes the folder.
#[derive(Debug)]
pub struct Kit {
    folder: PathBuf,
}

/// What runs, for [`Kit::banner`].
#[derive(Clone, Copy, Debug)]
pub struct Running<'a> {
    /// `http://127.0.0.1:8080`
    pub proxy: &'a str,
    /// `http://127.0.0.1:8081`
    pub admin: &'a str,
    /// The sample API's URL.
    pub upstream: &'a str,
}

impl Kit {
    /// Makes a folder below `parent` that only this user can read, with the policy, a fresh secret
    /// and a token for each of [`PEOPLE`], good for [`TOKEN_LIFE`] from `now`.
    pub fn prepare(parent: &Path, now: SystemTime) -> io::Result<Kit> {
        let folder = parent.join(format!("portcullis-demo-{}", random_hex(3)?));
        DirBuilder::new().mode(0o700).create(&folder)?;
        // From here on a failure removes the folder again.
        let kit = Kit { folder };
        kit.write("policy.yaml", POLICY)?;
        let secret = random_hex(32)?;
        kit.write("jwt.secret", &secret)?;
        for (user, role) in PEOPLE {
            let token = token(&secret, user, role, now)?;
            kit.write(user, &format!("Authorization: Bearer {token}\n"))?;
        }
        Ok(kit)
    }

    /// The policy file, for `--policy`.
    pub fn policy(&self) -> PathBuf {
        self.folder.join("policy.yaml")
    }

    /// A file that holds a person's `Authorization` line, for `curl -H @FILE`.
    pub fn credential(&self, user: &str) -> PathBuf {
        self.folder.join(user)
    }

    /// What runs, what to try, how to end it. Lines are copied into a shell as they stand.
    pub fn banner(&self, running: Running<'_>) -> String {
        let Running { proxy, admin, upstream } = running;
        let policy = self.policy();
        let policy = policy.display();
        let mut text = format!(
            "\
sample API   {upstream}   customers and devices, secrets included
policy       {policy}
proxy        {proxy}   what clients talk to
admin        {admin}   /livez /readyz /metrics /policy
"
        );
        for step in self.steps(proxy) {
            text += &format!("\n# {}\n{}\n", step.say, step.command);
        }
        text += "\nCtrl-C ends it and removes the folder.\n";
        text
    }

    /// The commands of the banner, in order.
    pub fn steps(&self, proxy: &str) -> Vec<Step> {
        let as_user = |user: &str| format!("curl -H @{}", self.credential(user).display());
        let (sam, mia) = (as_user("sam"), as_user("mia"));
        let json = "-H 'Content-Type: application/json'";
        let one = format!("{proxy}/customers/1");
        let patch = r#"{"phone": "+385 21 555 099", "credit_limit": 90000}"#;
        let read = format!("{sam} {one}");
        let step = |say, status, command| Step { say, status, command };
        vec![
            step("support reads a customer: no ssn, no card number, no margins", 200, read.clone()),
            step("a manager reads the same customer whole", 200, format!("{mia} {one}")),
            step("support may not delete: 403", 403, format!("{sam} -X DELETE {one}")),
            step(
                "support may change a phone, not a credit limit: 403 that names the field",
                403,
                format!("{sam} -X PATCH {json} -d '{patch}' {one}"),
            ),
            step("no token: 401", 401, format!("curl {one}")),
            step(
                "take the e-mail address away from support, live, and read again",
                200,
                format!(
                    "sed -i.bak 's/email: true/email: false/' {}; sleep 1\n{read}",
                    self.policy().display()
                ),
            ),
        ]
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(0o600).open(self.folder.join(name))?;
        file.write_all(text.as_bytes())
    }
}

/// One command to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it shows.
    pub say: &'static str,
    /// The status that its curl gets.
    pub status: u16,
    /// The shell command.
    pub command: String,
}

impl Drop for Kit {
    fn drop(&mut self) {
        // The user may have removed it already; there is nobody left to tell.
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

fn token(secret: &str, user: &str, role: &str, now: SystemTime) -> io::Result<String> {
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?;
    let claims = json!({
        "iss": ISSUER, "aud": "api", "sub": user, "roles": [role],
        "iat": since_1970.as_secs(), "exp": (since_1970 + TOKEN_LIFE).as_secs(),
    });
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(io::Error::other)
}

fn random_hex(bytes: usize) -> io::Result<String> {
    let mut random = vec![0; bytes];
    rand::fill(&mut random).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use std::os::unix::fs::PermissionsExt;

    fn kit(parent: &Path) -> Kit {
        Kit::prepare(parent, SystemTime::now()).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn p16_only_the_user_can_read_a_kit_and_it_goes_when_dropped() {
        let parent = tempfile::tempdir().unwrap();
        let kit = kit(parent.path());
        assert_eq!(mode(&kit.folder), 0o700);
        assert_eq!(mode(&kit.folder.join("jwt.secret")), 0o600);
        assert_eq!(mode(&kit.credential("sam")), 0o600);
        drop(kit);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn two_kits_share_neither_folder_nor_secret() {
        let parent = tempfile::tempdir().unwrap();
        let (one, other) = (kit(parent.path()), kit(parent.path()));
        let secret = |kit: &Kit| fs::read_to_string(kit.folder.join("jwt.secret")).unwrap();
        assert_ne!(one.folder, other.folder);
        assert_ne!(secret(&one), secret(&other));
        assert_eq!(secret(&one).len(), 64, "hexadecimal, and no line's end");
    }

    #[test]
    fn every_person_has_a_token_that_the_policys_issuer_signed() {
        let parent = tempfile::tempdir().unwrap();
        let kit = kit(parent.path());
        let secret = fs::read(kit.folder.join("jwt.secret")).unwrap();
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&["api"]);
        for (user, role) in PEOPLE {
            let line = fs::read_to_string(kit.credential(user)).unwrap();
            let token = line.trim_end().strip_prefix("Authorization: Bearer ").unwrap();
            let key = DecodingKey::from_secret(&secret);
            let claims = decode::<serde_json::Value>(token, &key, &rules).unwrap().claims;
            assert_eq!((&claims["sub"], &claims["roles"]), (&json!(user), &json!([role])));
            let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
            assert_eq!(life, TOKEN_LIFE.as_secs());
            assert!(POLICY.contains(&format!("id: {role}\n")), "`{role}` is a role of the policy");
        }
        assert!(POLICY.contains(ISSUER));
    }

    #[test]
    fn the_banner_says_what_runs_and_what_to_try() {
        let kit = Kit { folder: PathBuf::from("/tmp/portcullis-demo-a1b2c3") };
        let banner = kit.banner(Running {
            proxy: "http://127.0.0.1:8080",
            admin: "http://127.0.0.1:8081",
            upstream: "http://127.0.0.1:9000",
        });
        assert_eq!(banner, BANNER);
        assert_eq!(POLICY.matches("email: true").count(), 1, "what the edit changes");
    }

    const BANNER: &str = "\
sample API   http://127.0.0.1:9000   customers and devices, secrets included
policy       /tmp/portcullis-demo-a1b2c3/policy.yaml
proxy        http://127.0.0.1:8080   what clients talk to
admin        http://127.0.0.1:8081   /livez /readyz /metrics /policy

# support reads a customer: no ssn, no card number, no margins
curl -H @/tmp/portcullis-demo-a1b2c3/sam http://127.0.0.1:8080/customers/1

# a manager reads the same customer whole
curl -H @/tmp/portcullis-demo-a1b2c3/mia http://127.0.0.1:8080/customers/1

# support may not delete: 403
curl -H @/tmp/portcullis-demo-a1b2c3/sam -X DELETE http://127.0.0.1:8080/customers/1

# support may change a phone, not a credit limit: 403 that names the field
curl -H @/tmp/portcullis-demo-a1b2c3/sam -X PATCH -H 'Content-Type: application/json' -d '{\"phone\": \"+385 21 555 099\", \"credit_limit\": 90000}' http://127.0.0.1:8080/customers/1

# no token: 401
curl http://127.0.0.1:8080/customers/1

# take the e-mail address away from support, live, and read again
sed -i.bak 's/email: true/email: false/' /tmp/portcullis-demo-a1b2c3/policy.yaml; sleep 1
curl -H @/tmp/portcullis-demo-a1b2c3/sam http://127.0.0.1:8080/customers/1

Ctrl-C ends it and removes the folder.
";
}
