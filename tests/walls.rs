//! The walls of the house (`docs/architecture.md`), held by reading the source: who may import
//! whom, what the pure rooms may not touch, who prints, and how long a file may get.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules by layer; each may import its own layer and those below. `lib` is the list of modules.
const LAYERS: &[&[&str]] = &[
    &["source", "principal", "diag", "problem"],
    &["policy", "filter", "settings"],
    &["decide", "identity", "openapi", "tls"],
    &["control", "telemetry", "directory"],
    &["admin", "proxy", "mesh", "console"],
    &["app", "cli", "demo", "main"],
];

/// Words that must not occur in the code (comments and tests apart) below these folders.
const FORBIDDEN: &[(&[&str], &[&str], &str)] = &[
    (
        &["policy", "decide", "filter"],
        &[
            "tokio",
            "hyper",
            "hyper_util",
            "notify",
            "std::fs",
            "fs::read",
            "std::env",
            "env::var",
            "std::process",
            "std::thread",
            "TcpStream",
            "SystemTime::now",
            "Instant::now",
            "elapsed",
        ],
        "the rules are pure: time and bytes are facts of the request, files are read elsewhere",
    ),
    (
        &["proxy"],
        &["policy::raw", "serde", "serde_json", "serde_saphyr", "notify"],
        "the proxy reads a compiled snapshot, never what was typed",
    ),
    (
        &["identity", "settings", "openapi"],
        &["hyper", "hyper_util"],
        "connections belong to the proxy",
    ),
    (
        &["tls"],
        &["hyper", "hyper_util", "tokio", "std::fs", "fs::read", "TcpStream", "SystemTime::now"],
        "sockets belong to the proxy, files to control",
    ),
];

/// The longest file, in lines, with its tests.
const MAX_LINES: usize = 500;

/// One source file below `src/`.
struct File {
    /// Relative to `src/`, as `proxy/pool.rs`.
    name: String,
    text: String,
}

#[test]
fn no_module_imports_from_a_layer_above() {
    let mut faults = Vec::new();
    for file in sources() {
        let Some(own) = layer(file.room()) else {
            faults.push(format!("{}: its module has no layer in tests/walls.rs", file.name));
            continue;
        };
        for (line, room) in file.imports() {
            match layer(&room) {
                Some(other) if other > own => {
                    faults.push(format!(
                        "{}:{line}: `{}` imports `{room}`",
                        file.name,
                        file.room()
                    ));
                }
                _ => {}
            }
        }
    }
    assert!(faults.is_empty(), "imports against the layers:\n{}", faults.join("\n"));
}

#[test]
fn pure_rooms_touch_no_runtime_file_clock_or_environment() {
    let mut faults = Vec::new();
    for file in sources() {
        for (rooms, words, why) in FORBIDDEN {
            if rooms.contains(&file.room()) {
                faults.extend(file.uses(words).map(|fault| format!("{fault} ({why})")));
            }
        }
    }
    assert!(faults.is_empty(), "through the walls:\n{}", faults.join("\n"));
}

#[test]
fn the_swap_is_named_in_one_file() {
    let faults: Vec<_> = sources()
        .iter()
        .filter(|file| file.name != "control/store.rs")
        .flat_map(|file| file.uses(&["ArcSwap", "arc_swap"]).collect::<Vec<_>>())
        .collect();
    assert!(faults.is_empty(), "only control/store.rs swaps:\n{}", faults.join("\n"));
}

#[test]
fn only_the_command_line_and_the_log_sinks_print() {
    let words = ["println!", "eprintln!", "print!", "eprint!", "io::stdout", "io::stderr"];
    let faults: Vec<_> = sources()
        .iter()
        .filter(|file| !matches!(file.room(), "cli" | "telemetry" | "main"))
        .flat_map(|file| file.uses(&words).collect::<Vec<_>>())
        .collect();
    assert!(faults.is_empty(), "these print:\n{}", faults.join("\n"));
}

#[test]
fn there_is_no_mutable_global() {
    let cells = ["Mutex", "RwLock", "Atomic", "Cell<", "OnceLock", "OnceCell"];
    let mut faults = Vec::new();
    for file in sources() {
        for (number, line) in file.code() {
            let global = line.trim_start().trim_start_matches("pub ").starts_with("static ");
            if line.contains("static mut")
                || line.contains("thread_local!")
                || global && cells.iter().any(|cell| line.contains(cell))
            {
                faults.push(format!("{}:{number}: {}", file.name, line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "global state:\n{}", faults.join("\n"));
}

#[test]
fn files_stay_short() {
    let long: Vec<_> = sources()
        .iter()
        .map(|file| (file.text.lines().count(), &file.name))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .map(|(lines, name)| format!("{name}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "longer than {MAX_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn the_checks_see_what_they_look_for() {
    let text = "use crate::{proxy::pool, cli};\n// use tokio\nuse tokio::X;\nlet fsm = 1;\n\
                #[cfg(test)]\nmod tests { use std::fs; }\n";
    let file = File { name: "filter/mask.rs".into(), text: text.into() };
    let rooms: Vec<_> = file.imports().into_iter().map(|(_, room)| room).collect();
    assert_eq!(rooms, ["proxy", "cli"]);
    let found: Vec<_> = file.uses(&["tokio", "fs", "std::fs"]).collect();
    assert_eq!(found, ["filter/mask.rs:3: `tokio` in `use tokio::X;`"]);
    assert!(layer("cli") > layer("filter") && layer("nowhere").is_none());
}

impl File {
    /// The top module: `proxy` of `proxy/pool.rs`, `source` of `source.rs`.
    fn room(&self) -> &str {
        self.name.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// Numbered lines without comments, up to the tests of the module.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .take_while(|line| line.trim() != "#[cfg(test)]")
            .enumerate()
            .map(|(at, line)| (at + 1, without_comment(line)))
    }

    /// Top modules that are named through `crate::`, with their lines.
    fn imports(&self) -> Vec<(usize, String)> {
        let code: Vec<_> = self.code().collect();
        let mut found = Vec::new();
        for (at, (number, line)) in code.iter().enumerate() {
            for (start, _) in line.match_indices("crate::") {
                let rest = &line[start + "crate::".len()..];
                match rest.strip_prefix('{') {
                    Some(_) => found.extend(group(&code[at..], rest).map(|room| (*number, room))),
                    None => found.push((*number, word(rest).to_owned())),
                }
            }
        }
        found
    }

    /// Uses of these words, as sentences.
    fn uses<'a>(&'a self, words: &'a [&str]) -> impl Iterator<Item = String> + 'a {
        self.code().flat_map(move |(number, line)| {
            let found = words.iter().filter(move |word| has_word(line, word));
            found.map(move |word| format!("{}:{number}: `{word}` in `{}`", self.name, line.trim()))
        })
    }
}

/// The first names in the braces of `use crate::{a::b, c};`, which may run over lines.
fn group(code: &[(usize, &str)], first: &str) -> impl Iterator<Item = String> {
    let more = code[1..].iter().map(|(_, line)| *line);
    let text: String = std::iter::once(first).chain(more).collect::<Vec<_>>().join(" ");
    let (mut depth, mut rooms, mut fresh) = (0, Vec::new(), false);
    for (at, sign) in text.char_indices() {
        match sign {
            '{' => (depth, fresh) = (depth + 1, depth == 0),
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            _ if fresh && !sign.is_whitespace() => {
                rooms.push(word(&text[at..]).to_owned());
                fresh = false;
            }
            _ => {}
        }
    }
    rooms.into_iter()
}

fn layer(room: &str) -> Option<usize> {
    if room == "lib" {
        return Some(LAYERS.len());
    }
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

fn word(text: &str) -> &str {
    let end = text.find(|sign: char| !sign.is_alphanumeric() && sign != '_');
    &text[..end.unwrap_or(text.len())]
}

fn has_word(line: &str, word: &str) -> bool {
    let in_word = |sign: char| sign.is_alphanumeric() || sign == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(in_word) && !after.is_some_and(in_word)
    })
}

/// Cuts at `//` outside a string that closes on its line; text in strings is code here, which is
/// strict, not lax.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let mut previous = ' ';
    for (at, sign) in line.char_indices() {
        match sign {
            '"' if previous != '\\' => quoted = !quoted,
            '/' if !quoted && line[at..].starts_with("//") => return &line[..at],
            _ => {}
        }
        previous = sign;
    }
    line
}

fn sources() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("read a source folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                files.push(File { name, text: fs::read_to_string(&path).expect("a source") });
            }
        }
    }
    assert!(files.len() > 20, "only {} source files found", files.len());
    files
}
