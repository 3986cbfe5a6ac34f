import json
import sys

from kilde_client import Client
from kilde_client.api.append import append
from kilde_client.api.consumers import commit_consumer
from kilde_client.api.read_and_follow import read_events
from kilde_client.api.streams import list_streams
from kilde_client.models import Append, Committed, NewEvent

client = Client(base_url=sys.argv[1])
names = ["A", "B", "C"]
events = [NewEvent(type_=name, data={"n": 1}) for name in names]
appended = append.sync("generated", client=client, body=Append(events=events, expected_version=0))

types = []
read = {"client": client, "limit": 2, "type_": names}
page = read_events.sync(**read)
while page:
    types += [event.type_ for event in page]
    page = read_events.sync(**read, last_event_id=f"{page[-1].id}-{page[-1].logidentity}")

streams = [each.stream for each in list_streams.sync(client=client).streams]
committed = commit_consumer.sync("generated", client=client, body=Committed(position=3))
print(json.dumps({
    "version": appended.version,
    "types": types,
    "streams": streams,
    "committed": committed.committed,
}))
