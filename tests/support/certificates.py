"""Certificates for servers of tests on this machine."""

import subprocess


def certify(folder, names="IP:127.0.0.1"):
    """Makes ca.pem and, signed by it for `names`, server.pem with server.key in `folder`; returns the folder."""
    for command in (
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem",
            f"req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr -addext subjectAltName={names}",
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -copy_extensions copyall -out server.pem"):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder
