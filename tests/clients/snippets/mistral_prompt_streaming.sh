curl -X POST \
"https://api.cloudflare.com/client/v4/accounts/<account>/ai/run/@hf/mistral/mistral-7b-instruct-v0.2" \
-H "Authorization: Bearer {API_TOKEN}" \
-H "Content-Type:application/json" \
-d '{ "prompt": "where is new york?", "stream": true }'
