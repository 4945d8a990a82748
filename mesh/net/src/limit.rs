//! Every bound of this crate by name. A peer cannot make us pass one.

use std::time::Duration;

/// A node's hello or a stranger's request to join.
pub const HELLO_BYTES_MAX: usize = 8 * 1024;
/// The answer to a stranger's request: its certificate and what it needs to know of the mesh.
pub const JOIN_REPLY_BYTES_MAX: usize = 64 * 1024;
/// From the first packet of a handshake to the end of the hello exchange.
pub const HELLO_DEADLINE: Duration = Duration::from_secs(5);
/// How long the issuer of a ticket may take for its decision.
pub const JOIN_DEADLINE: Duration = Duration::from_secs(30);
/// A reason that travels in a close frame.
pub const REASON_BYTES_MAX: usize = 512;
/// Handshakes and hellos under way that others began; more are refused.
pub const HANDSHAKES_MAX: usize = 64;
/// From so many handshakes on a stranger has to show that its address is its own.
pub const HANDSHAKES_BEFORE_RETRY: usize = 16;
/// Dials under way.
pub const DIALS_MAX: usize = 64;
/// How long one address may take to answer a dial.
pub const DIAL_DEADLINE: Duration = Duration::from_secs(5);
/// How long a dial waits before it tries the next address beside the first.
pub const DIAL_STAGGER: Duration = Duration::from_millis(250);
/// Links of one node.
pub const LINKS_MAX: usize = orbweave_model::limit::MEMBERS_MAX;
/// Streams that a peer has open towards us.
pub const STREAMS_PER_LINK_MAX: u32 = 256;
/// How long a peer may take to name the kind of a stream that it opened.
pub const STREAM_KIND_DEADLINE: Duration = Duration::from_secs(5);
/// Unread bytes of one stream.
pub const STREAM_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
/// Unread bytes of one link, all streams together.
pub const LINK_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// Unread bytes of a connection whose peer is not admitted yet.
pub const STRANGER_WINDOW_BYTES: u32 = 64 * 1024;
/// Bytes that we hold for one peer until it acknowledges them.
pub const SEND_WINDOW_BYTES: u64 = 16 * 1024 * 1024;
/// Datagrams, in bytes, that wait for us or for the wire; the oldest go first.
pub const DATAGRAM_BUFFER_BYTES: usize = 256 * 1024;
/// A link without any packet for so long is down.
pub const LINK_IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// A silent link says so often that it lives.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a node that stops waits for its peers to acknowledge the good-bye.
pub const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);
/// Two connections of one pair that were made within this time were dialled at once.
pub const SIMULTANEOUS_WINDOW: Duration = Duration::from_secs(5);
/// How long a link whose connection was superseded waits for the one that superseded it.
pub const SUPERSEDED_GRACE: Duration = Duration::from_secs(2);
/// Events that wait for the node.
pub const EVENTS_MAX: usize = 4096;
/// Blobs that are served at once, to everybody and to one peer.
pub const BLOB_SERVES_MAX: usize = 64;
/// Blobs that are served to one peer at once.
pub const BLOB_SERVES_PER_PEER_MAX: usize = 8;
/// How long serving one blob may take.
pub const BLOB_SERVE_DEADLINE: Duration = Duration::from_secs(900);
/// Blobs that are fetched at once.
pub const BLOB_FETCHES_MAX: usize = 8;
/// A provider that sends nothing for so long is given up for the next.
pub const BLOB_STALL_MAX: Duration = Duration::from_secs(10);
/// Commands that wait for libp2p.
pub const DISCOVERY_COMMANDS_MAX: usize = 1024;
/// Messages that wait to be published.
pub const PUBLISH_QUEUE_MAX: usize = 1024;
/// One gossip message.
pub const GOSSIP_BYTES_MAX: usize = 64 * 1024;
/// Peers whose addresses were told to the node lately.
pub const FOUND_MAX: usize = 1024;
/// The same addresses of the same peer are told again after this time.
pub const FOUND_AGAIN: Duration = Duration::from_secs(30);
/// libp2p connections, established, all together.
pub const LIBP2P_CONNECTIONS_MAX: u32 = 1024;
/// libp2p connections being made, in each direction.
pub const LIBP2P_PENDING_MAX: u32 = 64;
/// Streams of one libp2p connection.
pub const LIBP2P_STREAMS_MAX: usize = 64;
/// No libp2p connection is taken while the process uses more than this share of the machine's memory.
pub const LIBP2P_MEMORY_SHARE_MAX: f64 = 0.9;
