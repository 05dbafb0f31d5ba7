//! The Kubernetes sidecar: its manifests agree with each other and with the policy's files, and
//! what they say runs, with swaps of the policy's volume as the kubelet makes them.

use super::system::folder;
use crate::readme::session::issue;
use crate::schema::value;
use crate::support::proxy::Start;
use crate::support::{Proxy, TempPolicy, Upstream, client, eventually, tokens};
use clap::Parser;
use portcullis::cli::Cli;
use portcullis::settings;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// A manifest, read as the program reads YAML.
fn manifest(name: &str) -> Value {
    let path = folder("kubernetes-sidecar").join("manifests").join(format!("{name}.yaml"));
    value(&fs::read_to_string(path).expect(name))
}

/// The pod of the deployment.
fn pod() -> Value {
    manifest("deployment")["spec"]["template"]["spec"].clone()
}

/// A container of the pod.
fn container(name: &str) -> Value {
    named(&pod()["containers"], name)
}

fn named(list: &Value, name: &str) -> Value {
    let list = list.as_array().expect("a list");
    list.iter().find(|one| one["name"] == name).expect(name).clone()
}

/// The environment of Portcullis.
fn environment() -> BTreeMap<String, String> {
    let variables = container("portcullis")["env"].as_array().expect("a list").clone();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    variables.iter().map(|one| (text(&one["name"]), text(&one["value"]))).collect()
}

/// The files of the policy's volume, by the paths that the deployment gives them.
fn files() -> Vec<(String, String)> {
    let volume = named(&pod()["volumes"], "policy");
    let map = manifest("configmap");
    assert_eq!(volume["configMap"]["name"], map["metadata"]["name"]);
    let items = volume["configMap"]["items"].as_array().expect("a list").clone();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    items.iter().map(|item| (text(&item["path"]), text(&map["data"][text(&item["key"])]))).collect()
}

#[test]
fn the_manifests_lead_to_one_port_of_one_pod() {
    let (deployment, service) = (manifest("deployment"), manifest("service"));
    let policy = manifest("networkpolicy");
    let kinds = [&deployment, &service, &policy, &manifest("configmap")].map(|m| m["kind"].clone());
    assert_eq!(kinds, ["Deployment", "Service", "NetworkPolicy", "ConfigMap"]);
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels, &json!({"app": "orders"}));
    for selector in [
        &deployment["spec"]["selector"]["matchLabels"],
        &service["spec"]["selector"],
        &policy["spec"]["podSelector"]["matchLabels"],
    ] {
        assert_eq!(selector, labels);
    }
    let port = named(&container("portcullis")["ports"], "http");
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "http");
    assert_eq!(
        policy["spec"]["ingress"],
        json!([{"ports": [{"protocol": "TCP", "port": "http"}]}])
    );
    let listen = environment()["PORTCULLIS_LISTEN"].clone();
    assert_eq!(
        Some(listen.as_str()),
        port["containerPort"].as_i64().map(|n| format!("0.0.0.0:{n}")).as_deref()
    );
    // The application offers no port of its own, and is where Portcullis looks for it.
    let api = container("api");
    assert_eq!(api["ports"], Value::Null);
    let listens = named(&api["env"], "LISTEN")["value"].clone();
    assert_eq!(
        environment()["PORTCULLIS_UPSTREAM"],
        format!("http://{}", listens.as_str().unwrap())
    );
    assert!(listens.as_str().unwrap().starts_with("127.0.0.1:"));
}

#[test]
fn the_policys_files_are_those_of_the_config_map() {
    let own = folder("kubernetes-sidecar").join("policy");
    for (path, text) in files() {
        assert_eq!(fs::read_to_string(own.join(&path)).expect(&path), text, "{path}");
    }
    assert_eq!(files().len(), 2);
    let mount = container("portcullis")["volumeMounts"][0].clone();
    assert_eq!((&mount["name"], &mount["readOnly"]), (&json!("policy"), &json!(true)));
    assert_eq!(mount["mountPath"].as_str(), Some(environment()["PORTCULLIS_POLICY"].as_str()));
    assert_eq!(mount["subPath"], Value::Null, "it would never change");
}

#[test]
fn the_settings_are_ones_that_the_program_reads() {
    let (set, unknown) = settings::from_environment(environment());
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(set.len(), 5);
    let (_, read) = settings::read(None, &set, 1);
    let drain = read.expect("good settings").limits.drain;
    // What both containers wait for before the end is within what the kubelet waits for both.
    let seconds =
        |name: &str| container(name)["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
    let last = Duration::from_secs(seconds("portcullis")) + drain;
    assert!(Duration::from_secs(seconds("api")) > last);
    assert!(pod()["terminationGracePeriodSeconds"].as_u64().unwrap() > seconds("api"));
}

#[test]
fn the_commands_are_ones_that_the_program_understands() {
    let portcullis = container("portcullis");
    let words = |list: &Value| -> Vec<String> {
        list.as_array().expect("a list").iter().map(|w| w.as_str().unwrap().to_owned()).collect()
    };
    let run = [vec!["portcullis".into()], words(&portcullis["args"])].concat();
    Cli::try_parse_from(run).expect("`run`");
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let command = words(&portcullis[probe]["exec"]["command"]);
        assert_eq!(command, ["/usr/local/bin/portcullis", "health"], "{probe}");
        Cli::try_parse_from(&command).expect("`health`");
        // `health` itself waits a second for each of connecting, writing and reading.
        assert!(portcullis[probe]["timeoutSeconds"].as_u64().unwrap() >= 3, "{probe}");
    }
    let context = &portcullis["securityContext"];
    assert_eq!(context["readOnlyRootFilesystem"], true);
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));
    assert_eq!(pod()["securityContext"]["runAsNonRoot"], true);
    assert_eq!(context["runAsUser"], 65532, "`nonroot` of the image, as a number");
}

/// The pod's policy volume and what runs over it.
struct Pod {
    upstream: Upstream,
    volume: TempPolicy,
    proxy: Proxy,
    keys: String,
    clerk: String,
}

impl Pod {
    fn start() -> Pod {
        let upstream = Upstream::json(r#"{"id": 1, "margin": 0.3, "total": 10}"#);
        let (keys, clerk) = issue(&tokens::claims("ana", &["clerk"]).to_string());
        let volume = TempPolicy::folder(&[]);
        swap(&volume, "2026_11_22_01", &keys, |text| text);
        let start = environment()
            .iter()
            .fold(Start::new(), |start, (variable, value)| start.environment(variable, value));
        // The flags are this machine's: free ports, the upstream and the volume of the test.
        let proxy = start.upstream(&upstream).policy(volume.path()).ready();
        Pod { upstream, volume, proxy, keys, clerk }
    }

    fn status(&self, method: &str, target: &str) -> u16 {
        let bearer = format!("Bearer {}", self.clerk);
        let fields = [("Authorization", bearer.as_str())];
        client::call(self.proxy.address, method, target, &fields).status
    }
}

/// What the kubelet does when a ConfigMap has changed.
fn swap(volume: &TempPolicy, revision: &str, keys: &str, edit: impl Fn(String) -> String) {
    let files: Vec<_> = files()
        .into_iter()
        .map(|(path, text)| match path.as_str() {
            "keys/jwks.json" => (path, keys.to_owned()),
            _ => (path, edit(text)),
        })
        .collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    volume.swap_data(revision, &files);
}

#[test]
fn the_manifests_settings_and_policy_guard_the_application() {
    let pod = Pod::start();
    let bearer = format!("Bearer {}", pod.clerk);
    let health = client::call(pod.proxy.address, "GET", "/healthz", &[]);
    assert_eq!(health.status, 200);
    let before = pod.upstream.requests().len();
    assert_eq!(client::call(pod.proxy.address, "GET", "/orders/1", &[]).status, 401);
    assert_eq!(pod.status("DELETE", "/orders/1"), 403);
    assert_eq!(pod.upstream.requests().len(), before, "nothing of these reached it");
    let seen = client::call(pod.proxy.address, "GET", "/orders/1", &[("Authorization", &bearer)]);
    assert_eq!(seen.json(), json!({"id": 1, "total": 10}));
}

/// p12: a swap of `..data` changes the policy and the keys at once; one that is broken changes
/// nothing, and the next good one is taken.
#[test]
fn p12_a_swap_of_the_volume_is_a_reload() {
    let pod = Pod::start();
    assert_eq!(pod.status("DELETE", "/orders/1"), 403);
    let may_delete = |text: String| text.replace("access: ru,", "access: rud,");
    swap(&pod.volume, "2026_11_22_02", &pod.keys, may_delete);
    pod.proxy.wait_for_generation(2);
    assert_eq!(pod.status("DELETE", "/orders/1"), 200);
    swap(&pod.volume, "2026_11_22_03", &pod.keys, |text| text.replace("roles:", "rolls:"));
    eventually(|| match &pod.proxy.policy()["last_error"] {
        Value::Null => Err("no error yet"),
        _ => Ok(()),
    });
    assert_eq!(pod.status("DELETE", "/orders/1"), 200);
    // The issuer's keys alone: who holds a token of the old ones is nobody now.
    let (other, _) = issue(&tokens::claims("ana", &["clerk"]).to_string());
    swap(&pod.volume, "2026_11_22_04", &other, |text| text);
    pod.proxy.wait_for_generation(3);
    assert_eq!(pod.status("GET", "/orders/1"), 401);
}
