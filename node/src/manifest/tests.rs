use super::*;
use orbweave_core::workload::{Rollout, WorkloadSpec};
use orbweave_model::{NodeId, WorkloadName};
use orbweave_scheduler::policy::{Near, Policy, Preference, Spread, Target};
use quantity::{Cpu, Memory, Span};
use std::time::Duration;

const WHOLE: &str = "\
apiVersion: orbweave.dev/v1alpha1
kind: Service
metadata:
  name: hello
spec:
  component: ../components/dist/hello-http.wasm
  version: 0.10
  replicas: 3
  placement:
    requires: [\"tier in (cloud, edge)\", '!spot']
  resources: { cpu: 100m, memory: 64Mi }
  limits: { callTime: 2s, concurrency: 8 }
  env: { GREETING: hello, PORT: 8080, DEBUG: no }
  route: { host: hello.mesh, path: /, idempotent: true, deadline: 10s }
";

const REQUIRES: &str = "requires: [\"tier in (cloud, edge)\", '!spot']";

const PLACEMENT: &str = "\
    prefers:
      - { wants: [\"site in (hamburg, kiel)\", '!spot'], weight: 80 }
      - { wants: [tier=edge] }
    spread:
      - { over: example.org/site, atMost: 1, maxSkew: 2 }
      - over: node
    apartFrom: [db, cache]
    near:
      - { workload: db, within: 20ms }
      - { labels: [site=hamburg, tier=edge] }
      - { node: abababababababababababababababababababababababababababababababab, within: 1h }";

fn error_of(text: &str) -> String {
    Manifest::parse(text).unwrap_err().to_string()
}

/// The whole manifest with one line written otherwise.
fn with(line: &str, instead: &str) -> String {
    assert_eq!(WHOLE.matches(line).count(), 1, "{line}");
    error_of(&WHOLE.replace(line, instead))
}

/// What the mesh agrees on.
fn agreed(text: &str) -> WorkloadSpec {
    Manifest::parse(text).unwrap().workload(1, Vec::new(), NodeId([7; 32]))
}

/// Wishes and rules, with this in the place of the conditions.
fn policy_of(placement: &str) -> Option<Policy> {
    agreed(&WHOLE.replace(REQUIRES, placement)).policy
}

/// With each of these lines in the place of the conditions, the error from its column on.
fn placements_are_refused(cases: &[(&str, &str)]) {
    for (line, error) in cases {
        assert_eq!(with(REQUIRES, line), format!("manifest:10:{error}"), "{line}");
    }
}

#[test]
fn a_whole_manifest_says_all_that_it_says() {
    let Manifest { metadata, spec, .. } = Manifest::parse(WHOLE).unwrap();
    assert_eq!(metadata.name.as_str(), "hello");
    assert_eq!(spec.component.file(), Path::new("../components/dist/hello-http.wasm"));
    assert_eq!(spec.component.release(), None);
    assert_eq!(spec.version.0, "0.10", "a version is text, not a number");
    assert_eq!(spec.replicas, 3);
    assert_eq!(spec.placement.requires.to_string(), "tier in (cloud, edge), !spot");
    assert_eq!((spec.resources.cpu, spec.resources.memory), (Cpu(100), Memory(64 << 20)));
    assert_eq!((spec.limits.call_time, spec.limits.concurrency), (Span(Duration::from_secs(2)), 8));
    let env: Vec<_> = spec.env.iter().map(|(name, value)| (name.as_str(), value.0.as_str())).collect();
    assert_eq!(env, [("DEBUG", "no"), ("GREETING", "hello"), ("PORT", "8080")]);
    let route = spec.route.unwrap();
    assert_eq!(route.host.unwrap().0, "hello.mesh");
    assert_eq!(route.path.unwrap().0, "/");
    assert!(route.idempotent);
    assert_eq!(route.deadline, Span(Duration::from_secs(10)));
}

#[test]
fn what_may_be_left_out_has_a_default() {
    let short = "apiVersion: orbweave.dev/v1alpha1\nkind: Service\nmetadata: {name: a}\nspec: {component: {file: a.wasm, release: a.release}, version: 1}\n";
    let spec = Manifest::parse(short).unwrap().spec;
    assert_eq!(spec.component.release(), Some(&PathBuf::from("a.release")));
    assert_eq!(spec.replicas, 1);
    assert!(spec.placement.requires.is_empty());
    assert_eq!(spec.resources.need().memory_bytes, 64 << 20);
    assert_eq!(spec.limits.call_time, Span(Duration::from_secs(10)));
    assert_eq!(spec.route, None);
}

#[test]
fn an_unknown_field_is_refused_with_the_nearest_one() {
    assert_eq!(
        with("  replicas: 3", "  replica: 3"),
        "manifest:8:3: spec: unknown field `replica`; did you mean `replicas`?"
    );
    assert_eq!(
        with("apiVersion: orbweave.dev/v1alpha1", "api_version: orbweave.dev/v1alpha1"),
        "manifest:1:1: unknown field `api_version`; did you mean `apiVersion`?"
    );
    assert_eq!(
        with("{ cpu: 100m, memory: 64Mi }", "{ cpu: 100m, gpu: 1, disk: 5 }"),
        "manifest:11:27: spec.resources: unknown field `gpu`; did you mean `cpu`?"
    );
    assert_eq!(
        with("  env:", "  colour: red\n  env:"),
        "manifest:13:3: spec: unknown field `colour`; the fields here are: component, version, replicas, \
         placement, resources, limits, env, route, update, health"
    );
}

#[test]
fn a_field_that_is_missing_is_named_with_its_map() {
    assert_eq!(with("  version: 0.10\n", ""), "manifest:6:3: spec: the field `version` is missing");
    assert_eq!(with("kind: Service\n", ""), "manifest:1:1: the field `kind` is missing");
    assert_eq!(
        with("{ host: hello.mesh, path: /, idempotent: true, deadline: 10s }", "{ idempotent: true }"),
        "manifest:14:10: spec.route: a route needs a `host`, a `path` or both"
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_what_it_should_be() {
    assert_eq!(
        with("replicas: 3", "replicas: three"),
        "manifest:8:13: spec.replicas: must be a whole number from 1 to 65536, but \"three\" was given"
    );
    assert_eq!(
        with("idempotent: true", "idempotent: 'true'"),
        "manifest:14:51: spec.route.idempotent: must be true or false, but \"true\" was given"
    );
    assert_eq!(
        with("{ cpu: 100m, memory: 64Mi }", "[100m, 64Mi]"),
        "manifest:11:14: spec.resources: must be a map, but a list was given"
    );
    assert_eq!(
        with("requires: [\"tier in (cloud, edge)\", '!spot']", "requires: tier=edge"),
        "manifest:10:15: spec.placement.requires: must be a list, but \"tier=edge\" was given"
    );
    assert_eq!(
        with("hello.mesh, path", "[a], path"),
        "manifest:14:18: spec.route.host: must be a text, but a list was given"
    );
}

#[test]
fn versions_and_kinds_that_are_not_known_are_refused() {
    assert_eq!(
        with("orbweave.dev/v1alpha1", "v1"),
        "manifest:1:13: apiVersion: \"v1\" is not known here; write orbweave.dev/v1alpha1"
    );
    assert_eq!(
        with("kind: Service", "kind: Deployment"),
        "manifest:2:7: kind: \"Deployment\" is not known here; write Service"
    );
}

#[test]
fn each_bound_is_held_and_named() {
    assert_eq!(
        with("replicas: 3", "replicas: 65537"),
        "manifest:8:13: spec.replicas: 65537 is out of bounds: 1 to 65536 are allowed"
    );
    assert_eq!(
        with("replicas: 3", "replicas: 0"),
        "manifest:8:13: spec.replicas: 0 is out of bounds: 1 to 65536 are allowed"
    );
    for beyond in ["-2", "4294967296", "1.5"] {
        assert_eq!(
            with("replicas: 3", &format!("replicas: {beyond}")),
            format!(
                "manifest:8:13: spec.replicas: must be a whole number from 1 to 65536, but \"{beyond}\" was given"
            )
        );
    }
    for beyond in ["0s", "2h"] {
        assert_eq!(
            with("deadline: 10s", &format!("deadline: {beyond}")),
            format!("manifest:14:67: spec.route.deadline: {beyond} is out of bounds: 1ms to 1h are allowed")
        );
    }
    assert_eq!(
        with("100m", "0.0001"),
        "manifest:11:21: spec.resources.cpu: \"0.0001\" is no amount of CPU: write cores (2, 0.5) or thousandths of one (500m)"
    );
    assert_eq!(
        with("64Mi", "8Gi"),
        "manifest:11:35: spec.resources.memory: 8Gi is out of bounds: 1Mi to 4Gi are allowed"
    );
    assert_eq!(
        with("callTime: 2s", "callTime: 2h"),
        "manifest:12:23: spec.limits.callTime: 2h is out of bounds: 1ms to 1h are allowed"
    );
    assert_eq!(
        with("callTime: 2s", "callTime: 2"),
        "manifest:12:23: spec.limits.callTime: \"2\" is no length of time: write 500ms, 10s, 5m, 1h, 7d or a sum such as 1h30m"
    );
    assert_eq!(
        with("concurrency: 8", "concurrency: 0"),
        "manifest:12:40: spec.limits.concurrency: 0 is out of bounds: 1 to 10000 are allowed"
    );
    assert_eq!(
        with("name: hello", "name: Hello"),
        "manifest:4:9: metadata.name: \"Hello\" is no name: 1 to 63 lower-case letters, digits and '-', \
         beginning and ending with a letter or digit"
    );
    assert_eq!(
        with("hello.mesh", "hello.mesh:8080"),
        "manifest:14:18: spec.route.host: \"hello.mesh:8080\" is no host name: labels of lower-case letters, \
         digits and '-' with '.' between, at most 253 bytes, no port"
    );
    assert_eq!(
        with("path: /,", "path: api,"),
        "manifest:14:36: spec.route.path: \"api\" is no path: it begins with '/' and has no space, '?' or '#', \
         at most 1024 bytes"
    );
}

#[test]
fn a_condition_that_is_wrong_is_named_by_its_place_in_the_list() {
    assert_eq!(
        with("'!spot'", "tier within edge"),
        "manifest:10:41: spec.placement.requires[1]: \"tier within edge\" is no condition: write key, !key, \
         key=value, key!=value, key in (a, b) or key notin (a, b)"
    );
    let many: Vec<_> = (0..33).map(|i| format!("k{i}")).collect();
    assert_eq!(
        with("[\"tier in (cloud, edge)\", '!spot']", &format!("[{}]", many.join(", "))),
        "manifest:10:15: spec.placement.requires: more than 32 conditions"
    );
}

#[test]
fn wishes_and_rules_about_places_reach_the_mesh_as_they_were_written() {
    let name = |text: &str| text.parse::<WorkloadName>().unwrap();
    let prefers = |wants: &str, weight| Preference { wants: wants.parse().unwrap(), weight };
    let spread = |over: &str, at_most, max_skew| Spread { over: over.into(), at_most, max_skew };
    let near = |to, within_ms| Near { to, within_ms };
    let policy = Policy {
        prefers: vec![prefers("site in (hamburg, kiel), !spot", 80), prefers("tier=edge", 50)],
        spread: vec![spread("example.org/site", Some(1), Some(2)), spread("node", None, None)],
        apart_from: vec![name("db"), name("cache")],
        near: vec![
            near(Target::Workload(name("db")), Some(20)),
            near(Target::Labels("site=hamburg, tier=edge".parse().unwrap()), None),
            near(Target::Node(NodeId([0xab; 32])), Some(3_600_000)),
        ],
    };
    assert_eq!(policy.beyond(), None);
    assert_eq!(policy_of(PLACEMENT), Some(policy));
    assert_eq!(policy_of(REQUIRES), None, "conditions are no policy");
    assert_eq!(policy_of("prefers: []\n    spread: []\n    apartFrom: []\n    near: []"), None);
}

#[test]
fn an_accelerator_is_needed_only_where_one_is_asked_for() {
    let need = |resource: &str| {
        let manifest = Manifest::parse(&WHOLE.replace("memory: 64Mi", resource)).unwrap();
        manifest.spec.resources.need().accelerator_milli
    };
    assert_eq!(need("memory: 64Mi"), 0);
    for (given, milli) in [("1", 1_000), ("0.5", 500), ("500m", 500), ("0", 0), ("1000", 1_000_000)] {
        assert_eq!(need(&format!("accelerator: {given}")), milli, "{given}");
    }
    assert_eq!(
        with("memory: 64Mi", "accelerator: 1001"),
        "manifest:11:40: spec.resources.accelerator: 1001 is out of bounds: 0 to 1000 are allowed"
    );
    assert_eq!(
        with("memory: 64Mi", "accelerator: one"),
        "manifest:11:40: spec.resources.accelerator: \"one\" is no number of accelerators: write devices \
         (1, 0.5) or thousandths of one (500m)"
    );
}

#[test]
fn fields_of_a_wish_that_are_unknown_or_missing_are_named() {
    placements_are_refused(&[
        ("prefer: []", "5: spec.placement: unknown field `prefer`; did you mean `prefers`?"),
        (
            "prefers: [{ want: [a] }]",
            "17: spec.placement.prefers[0]: unknown field `want`; did you mean `wants`?",
        ),
        ("prefers: [{ weight: 1 }]", "15: spec.placement.prefers[0]: the field `wants` is missing"),
        (
            "spread: [{ over: site, most: 1 }]",
            "28: spec.placement.spread[0]: unknown field `most`; did you mean `atMost`?",
        ),
        ("spread: [{ atMost: 1 }]", "14: spec.placement.spread[0]: the field `over` is missing"),
        (
            "near: [{ workloads: db }]",
            "14: spec.placement.near[0]: unknown field `workloads`; did you mean `workload`?",
        ),
    ]);
}

#[test]
fn what_a_wish_may_say_is_bounded() {
    placements_are_refused(&[
        (
            "prefers: [{ wants: [a], weight: 0 }]",
            "37: spec.placement.prefers[0].weight: 0 is out of bounds: 1 to 100 are allowed",
        ),
        (
            "prefers: [{ wants: [a], weight: 101 }]",
            "37: spec.placement.prefers[0].weight: 101 is out of bounds: 1 to 100 are allowed",
        ),
        (
            "prefers: [{ wants: [a], weight: much }]",
            "37: spec.placement.prefers[0].weight: must be a whole number from 1 to 100, but \"much\" was \
             given",
        ),
        (
            "prefers: [{ wants: [] }]",
            "24: spec.placement.prefers[0].wants: at least one condition is needed, such as `tier=edge`",
        ),
        (
            "prefers: [{ wants: a=b }]",
            "24: spec.placement.prefers[0].wants: must be a list, but \"a=b\" was given",
        ),
        (
            "spread: [{ over: site, atMost: 0 }]",
            "36: spec.placement.spread[0].atMost: 0 is out of bounds: 1 to 65536 are allowed",
        ),
        (
            "spread: [{ over: node, maxSkew: 0 }]",
            "37: spec.placement.spread[0].maxSkew: 0 is out of bounds: 1 to 65536 are allowed",
        ),
        (
            "spread: [{ over: a=b }]",
            "22: spec.placement.spread[0].over: \"a=b\" is no label's key: 1 to 63 letters, digits, '-', \
             '_', '.' and '/', or `node` for the nodes themselves",
        ),
        (
            "apartFrom: [db, Cache]",
            "21: spec.placement.apartFrom[1]: \"Cache\" is no name: 1 to 63 lower-case letters, digits and \
             '-', beginning and ending with a letter or digit",
        ),
    ]);
}

#[test]
fn near_takes_one_target_that_there_can_be() {
    placements_are_refused(&[
        (
            "near: [{ workload: db, node: abababababababababababababababababababababababababababababababab }]",
            "12: spec.placement.near[0]: one of `workload`, `labels` and `node` is needed, but 2 were given",
        ),
        (
            "near: [{ within: 20ms }]",
            "12: spec.placement.near[0]: one of `workload`, `labels` and `node` is needed, but 0 were given",
        ),
        (
            "near: [{ workload: Db }]",
            "24: spec.placement.near[0].workload: \"Db\" is no name: 1 to 63 lower-case letters, digits and \
             '-', beginning and ending with a letter or digit",
        ),
        (
            "near: [{ node: abc }]",
            "20: spec.placement.near[0].node: a node id must be 64 hexadecimal digits, but \"abc\" is not",
        ),
        (
            "near: [{ labels: [] }]",
            "22: spec.placement.near[0].labels: at least one condition is needed, such as `tier=edge`",
        ),
        (
            "near: [{ labels: [a, b within c] }]",
            "26: spec.placement.near[0].labels[1]: \"b within c\" is no condition: write key, !key, \
             key=value, key!=value, key in (a, b) or key notin (a, b)",
        ),
        (
            "near: [{ workload: db, within: 2h }]",
            "36: spec.placement.near[0].within: 2h is out of bounds: 1ms to 1h are allowed",
        ),
        (
            "near: [{ workload: db, within: 20 }]",
            "36: spec.placement.near[0].within: \"20\" is no length of time: write 500ms, 10s, 5m, 1h, 7d or \
             a sum such as 1h30m",
        ),
    ]);
}

#[test]
fn the_number_of_wishes_is_bounded() {
    for (field, item, allowed, what) in [
        ("prefers", "{ wants: [a] }", 16, "preferences"),
        ("spread", "{ over: a }", 4, "labels to spread over"),
        ("apartFrom", "a", 16, "workloads"),
        ("near", "{ workload: a }", 4, "places"),
    ] {
        let list = |n: usize| format!("{field}: [{}]", vec![item; n].join(", "));
        assert!(policy_of(&list(allowed)).is_some(), "{field}");
        let (given, column) = (allowed + 1, 7 + field.len());
        let error = format!(
            "manifest:10:{column}: spec.placement.{field}: {given} {what} are more than the {allowed} allowed"
        );
        assert_eq!(with(REQUIRES, &list(given)), error);
    }
}

#[test]
fn how_a_new_generation_comes_in_reaches_the_mesh_as_it_was_written() {
    let rollout = |max_unavailable, settle_ms| {
        Some(Rollout { max_unavailable, settle_ms, paused: false, previous: None, attempt: None })
    };
    let given = "  update: { maxUnavailable: 2, settle: 1m30s }\n  health: /health\n";
    let spec = agreed(&format!("{WHOLE}{given}"));
    assert_eq!((spec.rollout, spec.health.as_deref()), (rollout(2, 90_000), Some("/health")));
    let spec = agreed(WHOLE);
    assert_eq!((spec.rollout, spec.health), (rollout(1, 5_000), None));
    for (replicas, quarter) in [(1, 1), (4, 1), (5, 2), (10, 3), (65_536, 16_384)] {
        let text = WHOLE.replace("replicas: 3", &format!("replicas: {replicas}"));
        assert_eq!(agreed(&text).rollout, rollout(quarter, 5_000), "{replicas}");
        let settle = format!("{text}  update: {{ settle: 1ms }}\n");
        assert_eq!(agreed(&settle).rollout, rollout(quarter, 1), "{replicas}");
        let number = format!("{text}  update: {{ maxUnavailable: 7 }}\n");
        assert_eq!(agreed(&number).rollout, rollout(7, 5_000), "{replicas}");
    }
}

#[test]
fn what_is_wrong_in_an_update_or_a_health_check_is_named() {
    for (line, error) in [
        (
            "update: { maxUnavailable: 0 }",
            "29: spec.update.maxUnavailable: 0 is out of bounds: 1 to 65536 are allowed",
        ),
        (
            "update: { maxUnavailable: 65537 }",
            "29: spec.update.maxUnavailable: 65537 is out of bounds: 1 to 65536 are allowed",
        ),
        (
            "update: { maxUnavailable: 25% }",
            "29: spec.update.maxUnavailable: must be a whole number from 1 to 65536, but \"25%\" was given",
        ),
        ("update: { settle: 0s }", "21: spec.update.settle: 0s is out of bounds: 1ms to 1h are allowed"),
        ("update: { settle: 2h }", "21: spec.update.settle: 2h is out of bounds: 1ms to 1h are allowed"),
        (
            "update: { settle: 5 }",
            "21: spec.update.settle: \"5\" is no length of time: write 500ms, 10s, 5m, 1h, 7d or a sum such \
             as 1h30m",
        ),
        (
            "update: { maxUnavailble: 1 }",
            "13: spec.update: unknown field `maxUnavailble`; did you mean `maxUnavailable`?",
        ),
        (
            "update: { surge: 1 }",
            "13: spec.update: unknown field `surge`; the fields here are: maxUnavailable, settle",
        ),
        ("update: fast", "11: spec.update: must be a map, but \"fast\" was given"),
        (
            "health: health",
            "11: spec.health: \"health\" is no path: it begins with '/' and has no space, '?' or '#', at most \
             1024 bytes",
        ),
        ("health: [/health]", "11: spec.health: must be a text, but a list was given"),
    ] {
        let text = with("  env:", &format!("  {line}\n  env:"));
        assert_eq!(text, format!("manifest:13:{error}"), "{line}");
    }
    let long = format!("  health: /{}\n  env:", "x".repeat(1024));
    assert!(with("  env:", &long).starts_with("manifest:13:11: spec.health: \"/xxx"));
}

#[test]
fn the_environment_is_bounded_in_names_values_and_number() {
    assert_eq!(
        with("PORT:", "8PORT:"),
        "manifest:13:27: spec.env: \"8PORT\" is no name of a variable: 1 to 128 letters, digits and '_', no digit first"
    );
    let long = "x".repeat(4097);
    assert_eq!(
        with("GREETING: hello", &format!("GREETING: {long}")),
        "manifest:13:20: spec.env.GREETING: a value may have 4096 bytes, none of them 0, but has 4097"
    );
    let many: Vec<_> = (0..65).map(|i| format!("K{i}: v")).collect();
    assert_eq!(
        with("{ GREETING: hello, PORT: 8080, DEBUG: no }", &format!("{{ {} }}", many.join(", "))),
        "manifest:13:8: spec.env: 65 variables are more than the 64 allowed"
    );
}

#[test]
fn yaml_that_is_more_than_a_manifest_takes_is_refused() {
    assert_eq!(
        with("kind: Service", "kind: Service\nkind: Service"),
        "manifest:3:1: `kind` is given twice, first on line 2; leave one"
    );
    assert!(
        with("replicas: 3", "replicas: &r 3")
            .ends_with(": an anchor is more YAML than a manifest takes; write the value itself")
    );
    assert!(
        with("replicas: 3", "replicas: !!int 3")
            .ends_with(": a tag is more YAML than a manifest takes; write the value itself")
    );
    let twice = error_of(&format!("{WHOLE}---\n{WHOLE}"));
    assert_eq!(twice, "manifest:15:1: a second document begins here; give each its own file");
    assert_eq!(error_of(""), "manifest: the manifest is empty");
    assert_eq!(error_of("# nothing\n"), "manifest: the manifest is empty");
    assert!(error_of("a: [1, 2").starts_with("manifest:"), "no panic on what is no YAML");
    let deep = format!("{}{}", "[".repeat(20), "]".repeat(20));
    assert_eq!(error_of(&deep), "manifest:1:18: nested deeper than 16 levels");
    assert!(error_of(&"[".repeat(10_000)).starts_with("manifest:"), "no overflow either");
    assert!(error_of(&" ".repeat(300_000)).contains("300000 bytes are more than the 262144"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = ManifestFile::read(Path::new("/nowhere/hello.yaml")).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/hello.yaml: cannot be read: "), "{error}");
}

#[test]
fn the_published_schema_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/service.v1alpha1.json");
    if std::env::var_os("ORBWEAVE_BLESS").is_some() {
        std::fs::write(&path, schema_text()).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap_or_default();
    assert!(published == schema_text(), "write it anew: orbweave schema > docs/schema/service.v1alpha1.json");
}

#[test]
fn the_examples_are_accepted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for name in ["hello", "sea-watch", "greeter"] {
        let file = ManifestFile::read(&folder.join(format!("{name}.yaml"))).unwrap();
        assert_eq!(file.manifest.metadata.name.as_str(), name);
    }
}
