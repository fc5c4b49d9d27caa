"""What is too large for a record: left in a store that all processes share, collected by a reference.

Kafka's record limit is never raised: a large record holds up every other one of its partition, and each broker and
client on the way needs the same setting. So whoever writes leaves the content in the store first and publishes the
reference then, and a crash in between leaves content nobody knows of. What is left has its removal time in its name,
so that an hour's worth is removed as a whole, known of or not.
"""

from shared.blobs.answers import with_answer
from shared.blobs.keys import Part, blob_key
from shared.blobs.store import INLINE_BYTES, BlobMissingError, Blobs, BlobsAwayError, open_blobs
from shared.blobs.sweeping import Sweeper

__all__ = [
    "INLINE_BYTES",
    "BlobMissingError",
    "Blobs",
    "BlobsAwayError",
    "Part",
    "Sweeper",
    "blob_key",
    "open_blobs",
    "with_answer",
]
