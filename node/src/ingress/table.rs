//! The route table: which workload a request is for, and where its replicas run.
//!
//! The driver makes a new table whenever the view changes; readers hold a snapshot.

use orbweave_model::{NodeId, WorkloadName};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Hosts that end so belong to the mesh; a route that names neither host nor path is
/// reached as `<workload>.mesh`.
pub const MESH_SUFFIX: &str = ".mesh";

/// A running replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Replica {
    /// The node that holds it.
    pub node: NodeId,
    /// Its slot.
    pub slot: u32,
    /// The measured round trip to that node; zero for this node.
    pub rtt_us: u32,
}

/// How requests find a workload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpRoute {
    /// The host name, without port.
    pub host: Option<String>,
    /// The beginning of the path, in whole segments.
    pub path: Option<String>,
    /// Whether a request may be sent again to another replica.
    pub idempotent: bool,
}

/// A workload and its live replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteEntry {
    /// The workload.
    pub name: WorkloadName,
    /// How requests find it; `None` when only its functions are called.
    pub http: Option<HttpRoute>,
    /// The time that a request has, retries included.
    pub deadline: Duration,
    /// Replicas that run on live nodes of this zone; the table keeps them in order.
    pub replicas: Vec<Replica>,
    /// Nodes through which replicas in other zones are reached, the best first.
    pub beyond: Vec<NodeId>,
}

impl RouteEntry {
    /// Whether a request may be sent again to another replica.
    pub fn idempotent(&self) -> bool {
        self.http.as_ref().is_some_and(|http| http.idempotent)
    }

    /// Whether this slot runs on this node.
    pub fn has(&self, node: NodeId, slot: u32) -> bool {
        self.replicas.binary_search_by_key(&(node, slot), |r| (r.node, r.slot)).is_ok()
    }

    /// Whether this node still has a replica.
    pub fn runs_on(&self, node: NodeId) -> bool {
        self.replicas.iter().any(|r| r.node == node)
    }
}

/// All workloads, in order of their names, and the nodes that are held for dead.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    entries: Vec<Arc<RouteEntry>>,
    down: BTreeSet<NodeId>,
}

impl RouteTable {
    /// A table of these workloads.
    pub fn new(entries: impl IntoIterator<Item = RouteEntry>) -> Self {
        let mut entries: Vec<_> = entries
            .into_iter()
            .map(|mut entry| {
                if let Some(host) = entry.http.as_mut().and_then(|http| http.host.as_mut()) {
                    host.make_ascii_lowercase();
                }
                entry.replicas.sort_unstable();
                Arc::new(entry)
            })
            .collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Self { entries, down: BTreeSet::new() }
    }

    /// The same, with the nodes that are held for dead.
    #[must_use]
    pub fn with_down(self, down: BTreeSet<NodeId>) -> Self {
        Self { down, ..self }
    }

    /// Whether this node is held for dead. One that merely drains is not: it finishes
    /// what it has.
    pub fn is_down(&self, node: NodeId) -> bool {
        self.down.contains(&node)
    }

    /// The workload of this name.
    pub fn workload(&self, name: &WorkloadName) -> Option<&Arc<RouteEntry>> {
        let i = self.entries.binary_search_by(|e| e.name.cmp(name)).ok()?;
        self.entries.get(i)
    }

    /// Another workload that names the same host and path as this route would, and both
    /// in words.
    pub fn rival(&self, name: &WorkloadName, http: &HttpRoute) -> Option<(&WorkloadName, String)> {
        let wanted = place(name, http);
        let same = |e: &&Arc<RouteEntry>| {
            e.name != *name && e.http.as_ref().is_some_and(|http| place(&e.name, http) == wanted)
        };
        self.entries.iter().find(same).map(|e| (&e.name, shown(&wanted)))
    }

    /// What more than one workload names: they were submitted on two sides of a partition.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let mut by_place: BTreeMap<Place, Vec<WorkloadName>> = BTreeMap::new();
        for entry in &self.entries {
            if let Some(http) = &entry.http {
                by_place.entry(place(&entry.name, http)).or_default().push(entry.name.clone());
            }
        }
        let shared = by_place.into_iter().filter(|(_, workloads)| workloads.len() > 1);
        shared.map(|(place, workloads)| Conflict { place: shown(&place), workloads }).collect()
    }

    /// The workload that a request for this host (as in the header) and path is for.
    /// A route that names the host goes before one that does not; then the longest
    /// path wins; then the first name.
    pub fn find(&self, host: Option<&str>, path: &str) -> Option<&Arc<RouteEntry>> {
        let host = host.map(host_name);
        self.entries
            .iter()
            .filter_map(|e| Some((rank(e, host.as_deref(), path)?, e)))
            .min_by_key(|(rank, e)| (Reverse(*rank), &e.name))
            .map(|(_, e)| e)
    }
}

/// A host and a path that more than one workload names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The host and the path, as people write them.
    pub place: String,
    /// The workloads in order of their names; the first answers.
    pub workloads: Vec<WorkloadName>,
}

/// The host and the path that a route stands for; `None` stands for any host.
type Place = (Option<String>, String);

fn place(name: &WorkloadName, http: &HttpRoute) -> Place {
    let host = match (&http.host, &http.path) {
        (Some(host), _) => Some(host.to_ascii_lowercase()),
        (None, None) => Some(format!("{name}{MESH_SUFFIX}")),
        (None, Some(_)) => None,
    };
    (host, http.path.as_deref().unwrap_or_default().trim_end_matches('/').to_owned())
}

fn shown((host, path): &Place) -> String {
    format!("{}{}", host.as_deref().unwrap_or("*"), if path.is_empty() { "/" } else { path })
}

/// How well a route matches: by host first, then by length of path.
fn rank(entry: &RouteEntry, host: Option<&str>, path: &str) -> Option<(bool, usize)> {
    let http = entry.http.as_ref()?;
    let host_matches = match &http.host {
        Some(wanted) => (host? == wanted).then_some(true)?,
        None if http.path.is_none() => {
            (host?.strip_suffix(MESH_SUFFIX)? == entry.name.as_str()).then_some(true)?
        }
        None => false,
    };
    let path_length = match &http.path {
        Some(prefix) => under(prefix, path)?,
        None => 0,
    };
    Some((host_matches, path_length))
}

/// The length of the prefix when the path lies under it: `/a` holds `/a` and `/a/b`, not `/ab`.
fn under(prefix: &str, path: &str) -> Option<usize> {
    let prefix = prefix.trim_end_matches('/');
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len())
}

/// The host of a `Host` header: lower case, without port, without the root's dot.
fn host_name(header: &str) -> String {
    let end = match header.rfind(']') {
        Some(bracket) => bracket + 1,
        None => header.find(':').unwrap_or(header.len()),
    };
    header.get(..end).unwrap_or(header).trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, host: Option<&str>, path: Option<&str>) -> RouteEntry {
        RouteEntry {
            name: name.parse().unwrap(),
            http: Some(HttpRoute {
                host: host.map(str::to_owned),
                path: path.map(str::to_owned),
                idempotent: false,
            }),
            deadline: Duration::from_secs(1),
            replicas: Vec::new(),
            beyond: Vec::new(),
        }
    }

    fn found(table: &RouteTable, host: &str, path: &str) -> Option<String> {
        table.find(Some(host), path).map(|e| e.name.to_string())
    }

    #[test]
    fn a_host_matches_in_any_case_and_with_any_port() {
        let table = RouteTable::new([entry("hello", Some("Hello.Mesh"), None)]);
        for host in ["hello.mesh", "HELLO.mesh:8080", "hello.mesh.", "hello.mesh.:1"] {
            assert_eq!(found(&table, host, "/x").as_deref(), Some("hello"), "{host}");
        }
        assert_eq!(found(&table, "hello.mesh.evil", "/"), None);
        assert_eq!(table.find(None, "/"), None);
    }

    #[test]
    fn the_longest_path_of_whole_segments_wins_and_a_named_host_goes_first() {
        let table = RouteTable::new([
            entry("a", None, Some("/a")),
            entry("ab", None, Some("/a/b/")),
            entry("host", Some("h"), None),
        ]);
        assert_eq!(found(&table, "x", "/a").as_deref(), Some("a"));
        assert_eq!(found(&table, "x", "/a/b/c").as_deref(), Some("ab"));
        assert_eq!(found(&table, "x", "/a/bc").as_deref(), Some("a"));
        assert_eq!(found(&table, "x", "/ab"), None);
        assert_eq!(found(&table, "h", "/a/b").as_deref(), Some("host"));
    }

    #[test]
    fn a_route_without_host_and_path_is_reached_by_the_name_of_its_workload() {
        let table = RouteTable::new([entry("hello", None, None)]);
        assert_eq!(found(&table, "hello.mesh:80", "/").as_deref(), Some("hello"));
        assert_eq!(found(&table, "hello", "/"), None);
    }

    #[test]
    fn one_place_in_two_routes_is_a_conflict_and_another_path_is_none() {
        let table = RouteTable::new([
            entry("b", Some("Shop.mesh"), None),
            entry("a", Some("shop.mesh"), Some("/")),
            entry("api", Some("shop.mesh"), Some("/api")),
            entry("hello", None, None),
            entry("paths", None, Some("/p/")),
        ]);
        let names = |names: &[&str]| names.iter().map(|n| n.parse().unwrap()).collect::<Vec<WorkloadName>>();
        let conflict = Conflict { place: "shop.mesh/".to_owned(), workloads: names(&["a", "b"]) };
        assert_eq!(table.conflicts(), [conflict]);
        assert_eq!(found(&table, "shop.mesh", "/x").as_deref(), Some("a"), "the first by name answers");
        let rival = |name: &str, host: Option<&str>, path: Option<&str>| {
            let wanted = entry(name, host, path);
            let found = table.rival(&wanted.name, wanted.http.as_ref().unwrap());
            found.map(|(name, place)| format!("{name} {place}"))
        };
        assert_eq!(rival("c", Some("SHOP.mesh"), Some("/api/")).as_deref(), Some("api shop.mesh/api"));
        assert_eq!(rival("c", Some("hello.mesh"), None).as_deref(), Some("hello hello.mesh/"));
        assert_eq!(rival("c", None, Some("/p")).as_deref(), Some("paths */p"));
        assert_eq!(rival("api", Some("shop.mesh"), Some("/api")), None, "it may be deployed again");
        assert_eq!(rival("c", Some("shop.mesh"), Some("/other")), None);
        assert_eq!(rival("c", None, None), None);
    }

    #[test]
    fn odd_hosts_match_nothing_and_do_no_harm() {
        let table = RouteTable::new([entry("hello", Some("hello.mesh"), None)]);
        for host in ["", ":", "]", "[::1]:80", "[", "ü:ü", "."] {
            assert_eq!(found(&table, host, "/"), None, "{host:?}");
        }
    }

    #[test]
    fn a_workload_without_route_is_found_by_name_only() {
        let table = RouteTable::new([RouteEntry { http: None, ..entry("quiet", None, None) }]);
        assert_eq!(found(&table, "quiet.mesh", "/"), None);
        assert!(table.workload(&"quiet".parse().unwrap()).is_some());
    }
}
