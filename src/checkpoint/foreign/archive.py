"""Zip archives as PyTorch and NumPy write them: members by name, whole, within bounds."""

import io
import zipfile
import zlib

MAX_MEMBERS = 100_000
MAX_RATIO = 100  # of the unpacked bytes of all members to those of the archive
CENTRAL = b"PK\x01\x02"  # of each member's entry in the archive's list
FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, LookupError, OSError)


class Archive:
    """Members of a zip archive, read one at a time. Their CRC-32 is checked.

    Raises ValueError, as `read` does, for more members or unpacked bytes than the bounds, members that overlap, and
    what is no zip archive.
    """

    def __init__(self, data):
        if data.count(CENTRAL) > MAX_MEMBERS:
            raise ValueError(f"archive: expected at most {MAX_MEMBERS} members")
        try:
            self._file = zipfile.ZipFile(io.BytesIO(data))
        except FAULTS as error:
            raise ValueError(f"archive: {error}") from error
        members = self._file.infolist()
        self._members = {member.filename: member for member in members}
        if len(self._members) != len(members):
            raise ValueError("archive: a member is there twice")
        if sum(member.compress_size for member in members) > len(data):
            raise ValueError("archive: members overlap")
        if sum(member.file_size for member in members) > MAX_RATIO * len(data):
            raise ValueError(f"archive: expected members of at most {MAX_RATIO} times its size unpacked")

    @property
    def names(self):
        """Names of the members, in their order."""
        return list(self._members)

    def read(self, name):
        """The bytes of a member."""
        if name not in self._members:
            raise ValueError(f"archive: {name} is not there")
        member = self._members[name]
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"archive: {name}: expected plain or deflated bytes")
        try:
            content = self._file.read(member)
        except FAULTS as error:
            raise ValueError(f"archive: {name}: {error}") from error
        if len(content) != member.file_size:
            raise ValueError(f"archive: {name}: expected {member.file_size} bytes, got {len(content)}")
        return content
