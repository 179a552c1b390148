"""`make test-hosts`: one trouble after the other on a real lab host, which ends Ready by itself.

`scene` is a sandbox with one tenant whose host has Mailu, and a mail server elsewhere that writes
to a mailbox all the time. `interruptions` ends the control plane and cuts the power of the host in
the middle of each role of the first configuration; `troubles` has all others. After each the
harness waits until a look that began later finds the tenant Ready and mail is taken, runs the
playbooks once more, which must change nothing, and counts at the end what was sent and found.
"""
