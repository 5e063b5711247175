"""A gateway for a host of somebody else's, started with the host options that the conformance kit gives."""

import json
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path


class Gateway:
    """A gateway with a token of its own, in a process that ends with this one's."""

    def __init__(self, program, options):
        self.token = secrets.token_hex(32)
        with tempfile.TemporaryDirectory() as directory:
            token_file = Path(directory) / "token"
            token_file.touch(mode=0o600)
            token_file.write_text(self.token)
            command = [program, "gateway", "--listen", "127.0.0.1:0", "--token-file", str(token_file), *options]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            started = self.process.stdout.readline()
        if not started:
            # It has said why.
            sys.exit(self.process.wait())
        self.address = json.loads(started)["address"]

    def has_ended(self, error):
        """Whether that is why a call has failed: its process was killed, say."""
        if self.address not in error.message:
            return False
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self):
        self.process.terminate()
        self.process.wait()
