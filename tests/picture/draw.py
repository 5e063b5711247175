"""Runs the commands of a session at a terminal, one after the other, and draws what was seen there as an SVG.

    draw.py SESSION [WHAT=SHOWN…] > picture.svg

SESSION has a command a line, and comments. What depends on where the picture is made is shown as is said: two pictures of
one program are the same but for times.
"""

import os
import pty
import re
import select
import struct
import subprocess
import sys
import fcntl
import termios
from html import escape

COLUMNS, ROWS = 88, 60
CHARACTER, LINE, EDGE = 8.4, 20, 16
COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341"}
SEQUENCE = re.compile(r"\x1b\[([0-9;]*)m")


def run(command):
    """What a command shows at a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color"}
    process = subprocess.Popen(
        ["sh", "-c", command], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    seen = b""
    # A pod that it leaves behind holds nothing of it.
    while process.poll() is None or select.select([ours], [], [], 0)[0]:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
    process.wait()
    os.close(ours)
    return seen.decode().replace("\r\n", "\n").rstrip("\n")


def wrapped(line):
    """The line as a terminal breaks it, in pieces of (column, style, text)."""
    row, column, style = [], 0, ""
    for index, part in enumerate(SEQUENCE.split(line)):
        if index % 2:
            style = "" if part in ("", "0") else part
            continue
        while part:
            room = COLUMNS - column
            row.append((column, style, part[:room]))
            column += len(part[:room])
            part = part[room:]
            if part:
                yield row
                row, column = [], 0
    yield row


def drawn(rows):
    height, width = len(rows) * LINE + 2 * EDGE, COLUMNS * CHARACTER + 2 * EDGE
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">'
    yield "<title>A session with pod-tools</title>"
    yield '<rect width="100%" height="100%" rx="8" fill="#161b22"/>'
    font = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
    yield f'<g font-family="{font}" font-size="14" fill="#e6edf3" xml:space="preserve">'
    for index, row in enumerate(rows):
        for column, style, text in row:
            # Each at its column, whatever font there is; spaces between words are kept by their place.
            for word in re.finditer(r"\S+(?: \S+)*", text):
                at = EDGE + (column + word.start()) * CHARACTER
                look = {"1": ' font-weight="bold"', "2": ' fill="#8b949e"'}.get(style, "")
                look = f' fill="{COLOURS[style]}"' if style in COLOURS else look
                length = f' textLength="{len(word[0]) * CHARACTER:.1f}" lengthAdjust="spacingAndGlyphs"'
                y = EDGE + index * LINE + 14
                yield f'<text x="{at:.1f}" y="{y}"{length}{look}>{escape(word[0])}</text>'
    yield "</g>"
    yield "</svg>"


def main():
    session, *shown = sys.argv[1:]
    rows = []
    with open(session, encoding="utf-8") as lines:
        for line in filter(None, map(str.rstrip, lines)):
            if line.startswith("#"):
                rows += [[], *wrapped(f"\x1b[2m{line}\x1b[0m")]
                continue
            rows += wrapped(f"\x1b[2m$\x1b[0m \x1b[1m{line}\x1b[0m")
            seen = run(line)
            for pair in shown:
                what, replacement = pair.split("=", 1)
                seen = seen.replace(what, replacement)
            for text in seen.split("\n") if seen else []:
                rows += wrapped(text)
    while rows and not rows[0]:
        rows.pop(0)
    print("\n".join(drawn(rows)))


main()
