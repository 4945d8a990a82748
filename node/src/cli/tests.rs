use super::args::{Cli, Command, NodeArgs, TicketCommand, UpArgs, ZoneArg};
use super::settings::Settings;
use clap::{CommandFactory, Parser};
use orbweave_model::NodeId;
use std::time::Duration;

fn parse(line: &str) -> Cli {
    Cli::try_parse_from(line.split(' ')).unwrap_or_else(|e| panic!("{line}: {e}"))
}

fn refused(line: &str) -> String {
    Cli::try_parse_from(line.split(' ')).unwrap_err().to_string()
}

fn up(line: &str) -> UpArgs {
    match parse(line).command {
        Command::Up(args) => args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_consistent_in_itself() {
    Cli::command().debug_assert();
}

#[test]
fn what_up_is_told_reaches_the_process_in_the_background_unchanged() {
    let node = NodeId([7; 32]);
    let line = format!(
        "orbweave up -d --label tier=edge --label zone=north --zone site-7 --port 9000 --listen ::1 --peer {node}@10.0.0.1:8081 \
         --peer {node}@[::1]:8081 --no-mdns --no-gossip --cpu 1500m --memory 512Mi --instances 3 --admin-tcp --forget peer --forget no-mdns"
    );
    let told = up(&line);
    assert!(told.detach && !told.detached);
    let args = ["orbweave", "up", "--detached"].into_iter().map(Into::into).chain(told.node.to_args());
    let Command::Up(child) = Cli::try_parse_from(args).unwrap().command else { panic!("not up") };
    assert!(child.detached && !child.detach);
    assert_eq!(child.node, told.node);
    let plain: NodeArgs = up("orbweave up").node;
    assert_eq!((plain.port, plain.instances), (None, None), "what is not given may be remembered");
    assert!(plain.to_args().is_empty());
}

#[test]
fn a_flag_goes_before_what_is_remembered_and_what_is_forgotten_has_its_default() {
    let told = |before: Settings, line: &str| before.told(&up(line).node);
    let line = "orbweave up --label a=1 --label b=2 --zone north --port 9000 --no-mdns --cpu 2";
    let first = told(Settings::default(), line);
    assert_eq!((first.port, first.mdns, first.gossip), (Some(9_000), Some(false), None));
    assert_eq!(told(first.clone(), "orbweave up"), first);
    let second = told(first.clone(), "orbweave up --label c=3 --port 9100");
    assert_eq!((second.port, second.cpu, &second.zone), (Some(9_100), first.cpu, &first.zone));
    assert_eq!(second.labels.unwrap(), ["c=3".parse().unwrap()], "labels are given all together");
    let third = told(first.clone(), "orbweave up --forget label --forget zone --forget no-mdns --port 9200");
    assert_eq!((third.labels, third.zone, third.mdns, third.port), (None, None, None, Some(9_200)));
    assert_eq!(told(first, "orbweave up --forget all"), Settings::default());
}

#[test]
fn the_readme_commands_are_understood() {
    assert!(matches!(parse("orbweave init fleet").command, Command::Init(a) if a.mesh.as_str() == "fleet"));
    assert!(up("orbweave up -d --label tier=cloud").detach);
    let Command::Ticket(TicketCommand::Create(create)) =
        parse("orbweave ticket create --uses 2 --ttl 1h").command
    else {
        panic!("not a ticket")
    };
    assert_eq!((create.uses, create.ttl.0), (2, Duration::from_secs(3_600)));
    assert!(matches!(parse("orbweave deploy -f hello.yaml --wait").command, Command::Deploy(a) if a.wait));
    for line in [
        "orbweave ps",
        "orbweave ps -o json",
        "orbweave get hello -o json",
        "orbweave nodes",
        "orbweave zones",
        "orbweave zones -o json",
        "orbweave describe hello",
        "orbweave call greeter greet \"Ada\"",
        "orbweave call calc negate -1",
        "orbweave logs -f hello",
        "orbweave events --follow",
        "orbweave status",
        "orbweave down",
        "orbweave demo --json --keep",
        "orbweave schema",
        "orbweave delete hello",
        "orbweave sign a.wasm --name a --version 1.2.3 -o a.release",
        "orbweave --dir /tmp/x status",
        "orbweave status --dir /tmp/x --admin 127.0.0.1:8082",
    ] {
        parse(line);
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_reason() {
    assert!(refused("orbweave up --label tier").contains("\"tier\" is no label: write key=value"));
    assert!("".parse::<ZoneArg>().is_err() && "z".repeat(63).parse::<ZoneArg>().is_ok());
    let long = "z".repeat(64);
    for name in ["a/b", "nörd", long.as_str()] {
        let said = refused(&format!("orbweave up --zone {name}"));
        assert!(said.contains("is no name of a zone: 1 to 63 letters, digits, '-', '_' and '.'"), "{said}");
    }
    assert!(refused("orbweave up --port 65533").contains("65533 is not in 1..=65532"));
    assert!(refused("orbweave up --memory lots").contains("\"lots\" is no amount of memory"));
    assert!(refused("orbweave up --peer x@1.2.3.4:5").contains("a node id must be 64 hexadecimal digits"));
    assert!(refused("orbweave up --peer 10.0.0.1:8081").contains("write NODEID@IP:PORT"));
    assert!(refused("orbweave init Fleet").contains("\"Fleet\" is no name"));
    assert!(refused("orbweave join ow1nonsense").contains("TICKET"));
    assert!(refused("orbweave ticket create --ttl 1").contains("\"1\" is no length of time"));
    assert!(refused("orbweave deploy -f a.yaml --timeout 5s").contains("--wait"));
    for beyond in ["0s", "61m", "8760h"] {
        for line in ["call w f --deadline", "deploy -f a.yaml --wait --timeout"] {
            let said = refused(&format!("orbweave {line} {beyond}"));
            assert!(said.contains("is out of bounds: 1ms to 1h are allowed"), "{line} {beyond}: {said}");
        }
    }
    assert!(refused("orbweave deploy -f a.yaml --key k --release r").contains("cannot be used with"));
}
