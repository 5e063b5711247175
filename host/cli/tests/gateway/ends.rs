//! How sessions end when somebody leaves, and what is left of them: nothing that was not committed, nothing half done.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Stdio};

use pod_tools_conformance::{FakePod, Place, Script};
use rustix::process::Signal;

use crate::cli::{at, place_with};
use crate::client::{Client, READ};
use crate::process::{Gateway, PATIENCE, PATIENT, TOKEN, audited, ended, token_file};
use crate::wire::request;

/// A session that has staged a cursor and waits for a pod that says nothing.
fn waiting(gateway: &Gateway, pod: &FakePod) -> Client<std::net::TcpStream> {
    let mut session = gateway.session();
    let child = session.find("child", READ).unwrap().pod;
    session.set_cursor(child, 9, "staged").unwrap();
    let exchange = session.get_history(child).unwrap();
    session.send(&request(9).u32(exchange).u32(1).within(None));
    pod.await_lines(1);
    session
}

fn nothing_was_read(place: &Place) {
    let cursors = fs::read_to_string(place.runtime_dir().join("read_cursors.json")).unwrap_or_default();
    assert!(!cursors.contains("staged"), "{cursors}");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_request_ends_what_it_had_begun() {
    let (place, pod) = place_with(Script::new());
    let gateway = Gateway::start(&place, &PATIENT);
    drop(waiting(&gateway, &pod));
    pod.await_closed(1);
    assert_eq!(audited(&place, 1)[0]["outcome"], "cancelled");
    nothing_was_read(&place);
    gateway.serves();
}

#[test]
fn a_client_that_has_committed_need_not_wait_for_the_answer() {
    let (place, _pod) = place_with(Script::new());
    let gateway = Gateway::start(&place, &PATIENT);
    let mut session = gateway.session();
    let child = session.find("child", READ).unwrap().pod;
    session.set_cursor(child, 9, "staged").unwrap();
    session.send(&request(15));
    drop(session);
    assert_eq!(audited(&place, 1)[0]["outcome"], "ok");
    let found = gateway.session().find("child", READ).unwrap();
    assert_eq!(found.cursor.unwrap().unwrap(), Some((9, "staged".to_owned())));
}

#[test]
fn signals_end_the_gateway_and_its_sessions_in_good_order() {
    for (signal, code) in [(Signal::TERM, 0), (Signal::INT, 130)] {
        let (place, pod) = place_with(Script::new());
        let mut gateway = Gateway::start(&place, &PATIENT);
        let mut session = waiting(&gateway, &pod);
        let mut silent = gateway.connect();
        assert_eq!(gateway.end(signal), Some(code));
        assert_eq!(session.receive(), None);
        // It may not even have been taken in.
        match silent.stream.read(&mut [0]) {
            Ok(read) => assert_eq!(read, 0),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        pod.await_closed(1);
        assert_eq!(audited(&place, 1)[0]["outcome"], "cancelled");
        nothing_was_read(&place);
    }
}

#[test]
fn a_gateway_that_is_killed_in_the_middle_of_a_call_leaves_nothing_behind() {
    let (place, pod) = place_with(Script::new());
    let mut gateway = Gateway::start(&place, &PATIENT);
    let mut session = waiting(&gateway, &pod);
    assert_eq!(gateway.end(Signal::KILL), None);
    assert_eq!(session.receive(), None);
    pod.await_closed(1);
    nothing_was_read(&place);
    Gateway::start(&place, &PATIENT).serves();
}

#[test]
fn a_unix_socket_is_its_owners_alone_and_goes_with_the_gateway() {
    let place = Place::new().unwrap();
    let path = place.root().join("gateway.sock");
    let option = ["--socket", path.to_str().unwrap()];
    let serves = |gateway: &Gateway| {
        assert_eq!(gateway.line["socket"], path.to_str().unwrap());
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert!(metadata.file_type().is_socket() && metadata.permissions().mode() & 0o777 == 0o600);
        let stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client::of(stream);
        client.begin(TOKEN).unwrap();
        client.list().unwrap();
        client.commit().unwrap();
    };
    let mut gateway = Gateway::start(&place, &option);
    serves(&gateway);
    let token = token_file(&place, "token", TOKEN);
    let second = || {
        let command =
            ["gateway", "--token-file", token.to_str().unwrap(), "--socket", path.to_str().unwrap()];
        let ended = ended(at(&place, command));
        assert!(ended.code == Some(2) && ended.stderr.contains("in use"), "{ended:?}");
    };
    second();
    serves(&gateway);
    gateway.end(Signal::KILL);
    // What a killed one has left behind is in nobody's way.
    let mut gateway = Gateway::start(&place, &option);
    serves(&gateway);
    assert_eq!(gateway.end(Signal::TERM), Some(0));
    assert!(!path.exists());
    fs::write(&path, "somebody's file").unwrap();
    second();
    assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's file");
}

#[test]
fn of_many_that_start_at_once_where_one_was_left_behind_one_listens() {
    let place = Place::new().unwrap();
    let path = place.root().join("gateway.sock");
    let token = token_file(&place, "token", TOKEN);
    let command = || {
        let mut command = at(&place, ["gateway", "--token-file", token.to_str().unwrap()]);
        command.arg("--socket").arg(&path).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    };
    for _ in 0..4 {
        drop(UnixListener::bind(&path).unwrap());
        let mut gateways: Vec<Child> = (0..8).map(|_| command().spawn().unwrap()).collect();
        let listens = gateways.iter_mut().map(|gateway| {
            let mut line = String::new();
            BufReader::new(gateway.stdout.take().unwrap()).read_line(&mut line).unwrap();
            !line.is_empty()
        });
        assert_eq!(listens.filter(|listens| *listens).count(), 1);
        UnixStream::connect(&path).unwrap();
        for mut gateway in gateways {
            gateway.kill().unwrap();
            gateway.wait().unwrap();
        }
        fs::remove_file(&path).unwrap();
    }

    let lock = fs::File::open(place.root()).unwrap();
    lock.try_lock().unwrap();
    let ended = ended(command());
    assert!(ended.code == Some(2) && ended.stderr.contains("another gateway is starting"), "{ended:?}");
}
