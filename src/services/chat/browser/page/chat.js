// The page of the chat.
