"""Who may connect to the broker: names, passwords, and the file in which Mosquitto looks them up.

Nothing here knows of MQTT or of a running broker. What a name may read and write is said in Mosquitto's ACL file.
"""

from sensorline.accounts.names import SERVICES, check_account, check_new_device
from sensorline.accounts.password_file import PasswordFile
from sensorline.accounts.passwords import hash_line, new_password

__all__ = [
    "SERVICES",
    "PasswordFile",
    "check_account",
    "check_new_device",
    "hash_line",
    "new_password",
]
