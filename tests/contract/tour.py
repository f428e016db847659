"""README's tour, through nothing but a client that was generated from the description of the API.

    PYTHONPATH=FOLDER python tour.py SERVER KEY_FILE

FOLDER holds the generated package `drover_client`; SERVER runs simulated containers. Every request and
every answer is of a generated type, and an answer that the description does not know is an error. What
is asserted is what a person on the tour would notice.
"""

import sys
from pathlib import Path
from uuid import UUID

from drover_client import AuthenticatedClient
from drover_client.api.containers import (
    create_container,
    delete_container,
    list_containers,
    purge_container,
    read_container,
    start_container,
    stop_container,
    update_container,
)
from drover_client.api.hosts import list_hosts
from drover_client.api.processes import list_processes, read_process, retry_process
from drover_client.models import (
    Bulk,
    Container,
    ContainerCollection,
    ContainerPatch,
    ContainerPatchLabelsType0,
    HostCollection,
    ListContainersSort,
    NewContainer,
    NewContainerEnvironment,
    NewContainerLabels,
    NewContainersAlike,
    Port,
    Problem,
    Process,
    ProcessCollection,
    ResourceLimits,
)
from drover_client.types import UNSET

IMAGE = "drover/hello"
# Seconds; long enough for whatever a simulated container does.
WAIT = 30
PATIENTLY = f"wait={WAIT}"


def answered(response, status, kind):
    """The answer, if it has this status and is of this type."""
    assert response.status_code == status, f"{response.status_code}: {response.content!r}"
    assert isinstance(response.parsed, kind), f"a {type(response.parsed).__name__}"
    return response.parsed


def refused(response, status, code):
    """The problem, if it has this status and this code."""
    problem = answered(response, status, Problem)
    assert problem.code == code, problem
    assert problem.status == status and problem.detail and problem.request_id, problem
    return problem


def linked(text):
    """The id at the end of a link."""
    return UUID(text.rsplit("/", 1)[-1])


def there_is_a_host(client):
    hosts = answered(list_hosts.sync_detailed(client=client, state="active"), 200, HostCollection)
    assert len(hosts.data) == 1, hosts
    assert hosts.data[0].facts.runtime == "simulated", hosts.data[0].facts


def a_container_runs_when_it_was_waited_for(client):
    wanted = NewContainer(
        image=IMAGE,
        name="web",
        ports=[Port(container_port=80, host_port=8081)],
        resources=ResourceLimits(memory_mi_b=64),
        environment=NewContainerEnvironment.from_dict({"GREETING": "hello"}),
    )
    made = create_container.sync_detailed(client=client, body=wanted, prefer=PATIENTLY)
    web = answered(made, 201, Container)
    assert made.headers["location"] == web.links.self_ == f"/v1/containers/{web.id}"
    assert web.state == "running" and web.transitioning == "no", web
    read = answered(read_container.sync_detailed(web.id, client=client), 200, Container)
    assert read == web, read
    assert [(port.container_port, port.host_port) for port in read.ports] == [(80, 8081)]
    assert read.resources.memory_mi_b == 64 and read.environment["GREETING"] == "hello"
    assert read.bound_ports and read.bound_ports[0].host_port == 8081, read.bound_ports
    assert sorted(read.actions.to_dict()) == ["remove", "restart", "stop"], read.actions
    return web.id


def without_waiting_the_answer_names_the_process(client):
    wanted = NewContainer(image=IMAGE, name="api")
    asked = create_container.sync_detailed(client=client, body=wanted)
    api = answered(asked, 202, Container)
    assert api.state == "creating" and api.transitioning == "yes", api
    process_id = linked(api.links["process"])
    create = read_process.sync_detailed(process_id, client=client, wait=WAIT)
    create = answered(create, 200, Process)
    assert (create.name, create.phase, create.resource_id) == ("create", "done", api.id), create
    assert [entry.step for entry in create.journal] == ["place", "create-on-host"], create.journal
    assert all(entry.finished for entry in create.journal), create.journal
    start = read_process.sync_detailed(create.successor_id, client=client, wait=WAIT)
    start = answered(start, 200, Process)
    assert (start.name, start.phase) == ("start", "done"), start
    now = answered(read_container.sync_detailed(api.id, client=client), 200, Container)
    assert now.state == "running", now
    return api.id


def it_stops_and_starts(client, web):
    stopped = stop_container.sync_detailed(web, client=client, prefer=PATIENTLY)
    stopped = answered(stopped, 200, Container)
    assert stopped.state == "stopped" and stopped.exit_code == 143, stopped
    assert sorted(stopped.actions.to_dict()) == ["remove", "start"], stopped.actions
    again = refused(stop_container.sync_detailed(web, client=client), 409, "container.state")
    assert isinstance(again.hint, str) and "running" in again.hint, again
    started = start_container.sync_detailed(web, client=client, prefer=PATIENTLY)
    started = answered(started, 200, Container)
    assert started.state == "running" and started.exit_code is None, started


def what_fails_says_why(client):
    labels = NewContainerLabels.from_dict({"sim.fail": "create"})
    wanted = NewContainer(image=IMAGE, name="bad", labels=labels)
    bad = create_container.sync_detailed(client=client, body=wanted, prefer=PATIENTLY)
    bad = answered(bad, 201, Container)
    why = "the label sim.fail makes every create fail"
    assert bad.state == "error" and bad.transitioning == "error" and bad.error == why, bad
    told = list_processes.sync_detailed(client=client, resource_id=bad.id)
    told = answered(told, 200, ProcessCollection)
    assert [(one.name, one.phase) for one in told.data] == [("create", "failed")], told
    journal = {entry.step: entry for entry in told.data[0].journal}
    failed = journal["create-on-host"]
    assert failed.error == why and failed.attempts > 1, failed
    assert failed.failures and all(one.error == why for one in failed.failures), failed
    assert journal["place"].finished and "unplace" in journal, journal
    return bad.id, told.data[0].id


def it_can_be_mended_and_tried_again(client, bad, process_id):
    labels = ContainerPatchLabelsType0.from_dict({"sim.fail": None, "mended": "yes"})
    patch = ContainerPatch(labels=labels, description="made to fail, and mended")
    read = read_container.sync_detailed(bad, client=client)
    tag = read.headers["etag"]
    changed = update_container.sync_detailed(bad, client=client, body=patch, if_match=tag)
    mended = answered(changed, 200, Container)
    assert mended.labels.to_dict() == {"mended": "yes"}, mended.labels
    assert mended.name == "bad" and mended.version > read.parsed.version, mended
    stale = update_container.sync_detailed(bad, client=client, body=patch, if_match=tag)
    refused(stale, 412, "precondition")
    tried = retry_process.sync_detailed(process_id, client=client)
    tried = answered(tried, 202, Process)
    done = read_process.sync_detailed(tried.id, client=client, wait=WAIT)
    done = answered(done, 200, Process)
    assert done.phase == "done", done
    now = answered(read_container.sync_detailed(bad, client=client), 200, Container)
    assert now.state in ("created", "starting", "running") and now.error is None, now


def several_are_made_at_once_and_listed_page_by_page(client):
    wanted = NewContainersAlike(
        image=IMAGE,
        count=5,
        name="many",
        start=False,
        labels=NewContainerLabels.from_dict({"team": "tour"}),
    )
    made = create_container.sync_detailed(client=client, body=wanted, prefer=PATIENTLY)
    made = answered(made, 207, Bulk)
    assert [answer.status for answer in made.data] == [201] * 5, made
    names = [answer.resource.name for answer in made.data]
    assert names == [f"many-{number}" for number in range(1, 6)], names
    listed, sizes, marker = [], [], UNSET
    while marker is not None:
        page = list_containers.sync_detailed(
            client=client,
            labels="team=tour",
            state="created",
            name_prefix="many",
            sort=ListContainersSort("-name"),
            limit=2,
            marker=marker,
        )
        page = answered(page, 200, ContainerCollection)
        listed += [one.name for one in page.data]
        sizes.append(len(page.data))
        marker = page.pagination.next_
    assert sizes == [2, 2, 1] and listed == names[::-1], (sizes, listed)
    nothing = list_containers.sync_detailed(client=client, labels="team=none")
    assert answered(nothing, 200, ContainerCollection).data == []
    malformed = list_containers.sync_detailed(client=client, marker="of no page")
    refused(malformed, 400, "query")
    return [answer.resource.id for answer in made.data]


def a_repeated_request_makes_one_container(client):
    wanted = NewContainer(image=IMAGE, name="once")
    first, second = [
        create_container.sync_detailed(client=client, body=wanted, idempotency_key="of-the-tour")
        for _ in range(2)
    ]
    once = answered(first, 202, Container)
    assert answered(second, 202, Container).id == once.id, second
    other = NewContainer(image=IMAGE, name="another")
    other = create_container.sync_detailed(
        client=client, body=other, idempotency_key="of-the-tour"
    )
    refused(other, 422, "idempotency.mismatch")
    listed = list_containers.sync_detailed(client=client, name="once")
    assert len(answered(listed, 200, ContainerCollection).data) == 1, listed
    return once.id


def it_goes_by_removal_and_purge(client, ids):
    for one in ids:
        removed = delete_container.sync_detailed(
            one, client=client, force=True, prefer=PATIENTLY
        )
        removed = answered(removed, 200, Container)
        assert removed.state == "removed" and removed.removed, removed
        assert list(removed.actions.to_dict()) == ["purge"], removed.actions
    listed = list_containers.sync_detailed(client=client)
    assert answered(listed, 200, ContainerCollection).data == []
    kept = list_containers.sync_detailed(client=client, removed=True)
    kept = answered(kept, 200, ContainerCollection)
    assert {one.id for one in kept.data} == set(ids), kept
    for one in ids:
        purged = purge_container.sync_detailed(one, client=client, prefer=PATIENTLY)
        assert purged.status_code == 204, purged
        refused(read_container.sync_detailed(one, client=client), 404, "notFound")


def main(server, key_file):
    key = Path(key_file).read_text().strip()
    client = AuthenticatedClient(
        base_url=server, token=key, timeout=2 * WAIT, raise_on_unexpected_status=True
    )
    nobody = AuthenticatedClient(base_url=server, token="drv_none", raise_on_unexpected_status=True)
    refused(list_containers.sync_detailed(client=nobody), 401, "unauthorized")
    there_is_a_host(client)
    web = a_container_runs_when_it_was_waited_for(client)
    api = without_waiting_the_answer_names_the_process(client)
    it_stops_and_starts(client, web)
    bad, process_id = what_fails_says_why(client)
    it_can_be_mended_and_tried_again(client, bad, process_id)
    many = several_are_made_at_once_and_listed_page_by_page(client)
    once = a_repeated_request_makes_one_container(client)
    it_goes_by_removal_and_purge(client, [web, api, bad, *many, once])


if __name__ == "__main__":
    main(*sys.argv[1:])
