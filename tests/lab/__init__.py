"""The device lab: one virtual machine with a kernel of its own, in which tests may break every kind of drive.

    base.py       builds the guest's Debian, in the folder boot/ the scripts it starts with
    image.py      keeps that, the Python packages and the sources as images in `.lab/`
    machine.py    boots it, hands it a job, takes what it says, ends it by its own process id
    drives.py     the drives that QEMU plugs in
    reports.py    what the guest's pytest tells the host's, line by line
    test_*.py     run on the host: each test of the guest is shown as one of theirs
    guest/        run inside: the tests themselves, and how they make sick, lying and stacked devices

How the time is spent on two cores (docs/lab.md has the whole table): building 75 s, once; a boot 13 s; most tests 1 to
4 s, of which the engine's own work is the least, because the guest's processor is emulated.
"""
