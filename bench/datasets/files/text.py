"""Text files of users: decoded, or refused with the encoding that they seem to have."""

import codecs


def decode_text(content: bytes) -> str:
    """The text of a UTF-8 file, with or without a byte-order mark.

    Raises: ValueError naming the likely encoding, the line and what to do.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:4]:
        raise ValueError("this is UTF-16 or UTF-32; save the file as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise ValueError(
            f"line {line}: the byte 0x{byte:02x} is not UTF-8, but perhaps Latin-1 or "
            f"Windows-1252 ({bytes([byte]).decode('latin-1')!r}); save the file as UTF-8"
        ) from error
